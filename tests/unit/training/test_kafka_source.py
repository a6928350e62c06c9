"""Records of the events topic → interactions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import pytest

from training.errors import UnusableSource
from training.sources.kafka import collect

T = 1_700_000_000_000


@dataclass(frozen=True)
class Arrived:
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    topic: str = "events"


def _event(
    user: str, item: str | None, *, offset: int, at: int, partition: int = 0, kind: str = "view"
) -> Arrived:
    event = {"user_id": user, "item_id": item, "type": kind, "timestamp": T + at}
    return Arrived(partition, offset, T + at, user.encode(), json.dumps(event).encode())


async def _batches(*lists: Iterable[Arrived]) -> AsyncIterator[Iterable[Arrived]]:
    for records in lists:
        yield records


async def test_partitions_are_merged_by_time_each_in_its_own_order() -> None:
    first = [
        _event("u", "a", offset=0, at=10),
        _event("u", "b", offset=1, at=5),
        _event("u", "c", offset=2, at=30),
    ]
    second = [_event("v", "d", offset=0, at=20, partition=1)]
    log = await collect(_batches(first[:2], second, first[2:]))
    assert [log.items[item] for item in log.item] == ["a", "b", "d", "c"]
    assert [log.users[user] for user in log.user] == ["u", "u", "v", "u"]
    assert log.offsets == {"events/0": 3, "events/1": 1}


async def test_forget_takes_what_the_user_did_before_it() -> None:
    records = [
        _event("u", "a", offset=0, at=0),
        _event("v", "a", offset=1, at=1),
        _event("u", None, offset=2, at=2, kind="forget"),
        _event("u", "b", offset=3, at=3),
        _event("w", None, offset=4, at=4, kind="forget"),
    ]
    log = await collect(_batches(records))
    assert [(log.users[u], log.items[i]) for u, i in zip(log.user, log.item, strict=True)] == [
        ("v", "a"),
        ("u", "b"),
    ]


async def test_bad_records_are_counted_and_passed_over() -> None:
    good = _event("u", "a", offset=3, at=0)
    bad = [
        Arrived(0, 0, T, b"u", b"no json"),
        Arrived(0, 1, T, b"other", _event("u", "a", offset=1, at=0).value),
        _event("u", "", offset=2, at=0),
    ]
    log = await collect(_batches([*bad, good]))
    assert len(log) == 1
    assert log.rejected == {"value": 1, "key": 1, "item_id": 1}
    assert log.offsets == {"events/0": 4}


@pytest.mark.parametrize("records", [[], [Arrived(0, 0, T, b"u", b"no json")]])
async def test_a_topic_without_interactions_is_refused(records: list[Arrived]) -> None:
    with pytest.raises(UnusableSource, match="no interactions"):
        await collect(_batches(records))

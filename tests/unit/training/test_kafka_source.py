"""Records of the events topic → interactions."""

from __future__ import annotations

import json
import resource
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.bundle.context import field_code
from training.errors import UnusableSource
from training.sources import partition_spool
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
    user: str,
    item: str | None,
    *,
    offset: int,
    at: int,
    partition: int = 0,
    kind: str = "view",
    context: dict[str, str] | None = None,
) -> Arrived:
    event = {"user_id": user, "item_id": item, "type": kind, "timestamp": T + at, "context": context}
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


@pytest.mark.parametrize("at_a_time", [1, 7, 1 << 18])
async def test_however_much_is_put_on_disk_at_a_time_the_order_is_the_same(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_spool, "_EVENTS_AT_A_TIME", at_a_time)
    random = np.random.default_rng(5)
    records, kept = list[Arrived](), list[tuple[int, int, int, str, str, str]]()
    newest = [0, 0, 0]
    for offset in range(300):
        partition = int(random.integers(3 if offset > 100 else 2))  # one begins late
        user = f"{partition}-{random.integers(6)}"
        forgets = random.random() < 0.05
        at, item, page = int(random.integers(60)) + offset // 3, f"i{random.integers(9)}", f"p{offset % 4}"
        kind, told = ("forget", None) if forgets else ("click", item)
        context = {"page": page}
        records.append(
            _event(user, told, offset=offset, at=at, partition=partition, kind=kind, context=context)
        )
        if forgets:
            kept = [row for row in kept if row[3] != user]
            continue
        # An order of arrival that never goes back within the partition; at one time, partition by partition.
        newest[partition] = max(newest[partition], at)
        kept.append((newest[partition], partition, offset, user, item, page))
    first_seen = list(dict.fromkeys(record.partition for record in records))
    kept.sort(key=lambda row: (row[0], first_seen.index(row[1]), row[2]))

    log = await collect(_batches(records[:123], records[123:]), context_fields=["page"])
    assert [(log.users[user], log.items[item]) for user, item in zip(log.user, log.item, strict=True)] == [
        (user, item) for *_, user, item, _ in kept
    ]
    assert log.context is not None
    assert log.context[:, 0].tolist() == [field_code("page", page) for *_, page in kept]


@pytest.mark.parametrize("ahead_ms", [0, 10**9], ids=["clocks are right", "one clock is ahead"])
async def test_a_topic_need_not_fit_in_memory(ahead_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_spool, "_EVENTS_AT_A_TIME", 250)

    async def peak(events: int) -> int:
        def some(first: int) -> Iterator[Arrived]:
            for number in range(first, first + 500):
                user, partition = f"u{number % 97}", number % 97 % 4
                # After one that is far ahead all of its partition arrive at one time.
                at = number + ahead_ms if number < 97 else number
                yield _event(user, f"i{number % 89}", offset=number, at=at, partition=partition)

        tracemalloc.start()
        try:
            log = await collect(_batches(*(some(first) for first in range(0, events, 500))))
            assert len(log) == events
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await peak(500)  # what is imported and kept once
    assert await peak(12_000) < 1.2 * await peak(3_000)


NO_ROOM = r"no room for the events \(.*\); make room, or set TMPDIR"


async def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnusableSource, match=f"{tmp_path}/nowhere: {NO_ROOM}"):
        await collect(_batches(), folder=tmp_path / "nowhere")


@pytest.mark.parametrize("limit", [1000, 8050], ids=["while it is read", "while it is put in order"])
async def test_a_disk_without_room_is_one_line(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The widest column takes 8,000 bytes as it comes, and 128 more in order.
    monkeypatch.setattr(partition_spool, "_EVENTS_AT_A_TIME", 100)
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(UnusableSource, match=NO_ROOM):
            await collect(
                _batches(_event("u", "i", offset=offset, at=offset) for offset in range(1000)),
                folder=tmp_path,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert not list(tmp_path.iterdir())

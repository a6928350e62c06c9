"""Changelogs filled straight with records, as workers would have left them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import item_hash
from stream_app.bench.workload import catalogue, item_records, user_id
from stream_app.domain.history import ENTRY_BYTES, FORMAT, HEADER, HEADER_BYTES
from stream_app.domain.lists import GivenList, write
from stream_app.domain.messages import ModelRef
from stream_app.streaming.sending import Outgoing, send_records
from stream_app.streaming.topics import TopicNames

LIST_LENGTH = 10


def history_bytes(entries: int) -> int:
    """The size of a user's record of so many events."""
    return HEADER_BYTES + entries * ENTRY_BYTES


async def fill(
    kafka: Mapping[str, Any],
    names: TopicNames,
    *,
    users: int,
    entries: int,
    items: int,
    now_ms: int,
    lists: bool = True,
    updates: int = 0,
) -> None:
    """Fill the changelogs and the `items` topic; each record is then written `updates` times more."""
    ids = catalogue(items)
    await send_records(kafka, names.items, item_records(ids))
    hashes = np.array([item_hash(item) for item in ids], dtype="<u8")
    for number in range(updates + 1):
        histories = filled_histories(hashes, users=users, entries=entries, now_ms=now_ms, seed=number)
        await send_records(kafka, names.history_changelog, histories)
        if lists:
            given = filled_lists(hashes, users=users, now_ms=now_ms + number)
            await send_records(kafka, names.lists_changelog, given)


def filled_histories(
    hashes: NDArray[np.uint64], *, users: int, entries: int, now_ms: int, seed: int = 0
) -> Iterator[Outgoing]:
    """Records of the history changelog: each user with `entries` events on these items, 1 ms apart."""
    random = np.random.default_rng(seed)
    header = HEADER.pack(FORMAT, 0, -1, now_ms - 1, now_ms - entries)
    moments = (np.arange(now_ms - entries, now_ms, dtype=np.uint64) << np.uint64(8)) | np.uint64(1)
    for number in range(users):
        window = np.empty((entries, 2), dtype="<u8")
        window[:, 0] = hashes[random.integers(0, len(hashes), entries)]
        window[:, 1] = moments
        yield Outgoing(user_id(number).encode(), header + window.tobytes(), None)


def filled_lists(hashes: NDArray[np.uint64], *, users: int, now_ms: int) -> Iterator[Outgoing]:
    """Records of the lists changelog: each user was given the first items."""
    given = GivenList(
        0, -1, now_ms, LIST_LENGTH, ModelRef("trending", "fallback"), hashes[:LIST_LENGTH].tobytes()
    )
    record = write((given,))
    for number in range(users):
        yield Outgoing(user_id(number).encode(), record, None)


def log_bytes(broker_data: Path, topic: str) -> int:
    """What the records of a topic take on the broker's disk, all partitions together."""
    return sum(file.stat().st_size for file in (broker_data / "log").glob(f"{topic}-[0-9]*/*.log"))

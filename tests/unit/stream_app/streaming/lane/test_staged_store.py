"""What a transaction has not committed lies over the store, and never in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from stream_app.streaming.lane.staged_store import StagedStore
from stream_app.streaming.lane.store import BatchStore
from tests.unit.stream_app.streaming.lane.test_store import open_store

CHANGELOG = TP("stored-table-changelog", 0)


@pytest.fixture
async def disk(tmp_path: Path) -> Any:
    store = open_store(tmp_path)
    store.put_many(0, {b"u": b"old", b"gone": b"old"})
    yield store
    await store.stop()


async def test_what_is_staged_is_read_and_is_not_on_the_disk(disk: BatchStore) -> None:
    store = StagedStore(disk)
    store.put_many(0, {b"u": b"new", b"gone": None})
    assert store.get_many(0, [b"gone", b"u", b"never"]) == [None, b"new", None]
    assert disk.get_many(0, [b"gone", b"u"]) == [b"old", b"old"]
    assert store.get_many(1, [b"u"]) == [None]


async def test_what_is_settled_is_on_the_disk_with_its_offset(disk: BatchStore) -> None:
    store = StagedStore(disk)
    values = {b"u": b"new", b"gone": None}
    store.put_many(0, values)
    store.settle(CHANGELOG, values, 17)
    assert disk.get_many(0, [b"gone", b"u"]) == [None, b"new"]
    assert disk.persisted_offset(CHANGELOG) == 17


async def test_what_a_later_chunk_staged_stays_when_an_earlier_one_is_settled(disk: BatchStore) -> None:
    store = StagedStore(disk)
    first: dict[bytes, bytes | None] = {b"u": b"first", b"gone": None}
    second: dict[bytes, bytes | None] = {b"u": b"second", b"gone": b"back"}
    store.put_many(0, first)
    store.put_many(0, second)
    store.settle(CHANGELOG, first, 1)
    assert store.get_many(0, [b"u", b"gone"]) == [b"second", b"back"]
    assert disk.get_many(0, [b"u", b"gone"]) == [b"first", None]
    store.settle(CHANGELOG, second, 2)
    assert disk.get_many(0, [b"u", b"gone"]) == [b"second", b"back"]


async def test_what_was_never_settled_is_forgotten_with_the_ownership(disk: BatchStore) -> None:
    store = StagedStore(disk)
    store.put_many(0, {b"u": b"aborted"})
    store.forget()
    assert store.get_many(0, [b"u"]) == [b"old"]

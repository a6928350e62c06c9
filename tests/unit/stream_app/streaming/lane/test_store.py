"""The store on a real RocksDB: batches, recoveries, and letting go."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.types import TP

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend
from stream_app.streaming import lane
from stream_app.streaming.lane import freshness
from stream_app.streaming.lane.store import POSITIONS, BatchStore

CHANGELOG = TP("stored-table-changelog", 0)


def open_store(folder: Path) -> BatchStore:
    lane.register()
    app = faust.App("stored", store=f"{lane.STORE_SCHEME}://", datadir=folder)
    table = app.Table("table", key_type=bytes, value_type=bytes, partitions=1)
    store = table.data
    assert isinstance(store, BatchStore)
    return store


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(POSITIONS, "table", lambda value: (0, int(value.split(b"@")[1])))
    store = open_store(tmp_path)
    yield store
    await store.stop()


def record(offset: int, key: bytes, value: bytes | None, *, hours_ago: float = 0) -> Any:
    at = int((time.time() - hours_ago * 3600) * 1000)
    return SimpleNamespace(offset=offset, key=key, value=value, timestamp=at)


async def test_values_are_written_and_read_in_the_order_of_the_keys(store: BatchStore) -> None:
    store.put_many(0, {b"a": b"1", b"b": b"2"})
    store.put_many(0, {b"a": None})
    assert store.get_many(0, [b"b", b"a", b"never"]) == [b"2", None, None]


async def test_a_recovery_keeps_the_record_with_the_higher_position(store: BatchStore) -> None:
    """The late record of a frozen owner, within a fetched list and across lists."""
    store.apply_records(CHANGELOG, [record(0, b"u", b"new@9"), record(1, b"u", b"late@5")])
    assert store.get_many(0, [b"u"]) == [b"new@9"]
    store.apply_records(CHANGELOG, [record(2, b"u", b"late@6"), record(3, b"v", b"other@1")])
    assert store.get_many(0, [b"u", b"v"]) == [b"new@9", b"other@1"]
    store.apply_records(CHANGELOG, [record(4, b"u", b"same again@9")])
    assert store.get_many(0, [b"u"]) == [b"same again@9"]


async def test_left_over_records_are_known_until_mended_and_read_again_until_then(store: BatchStore) -> None:
    store.apply_records(CHANGELOG, [record(0, b"u", b"old@1"), record(1, b"v", b"other@2")])
    assert store.persisted_offset(CHANGELOG) == 1
    store.apply_records(CHANGELOG, [record(2, b"u", b"new@9"), record(3, b"u", b"late@5")])
    assert store.left_over(0) == {b"u"}
    store.apply_records(CHANGELOG, [record(4, b"v", b"other@3")])
    assert store.persisted_offset(CHANGELOG) == 1, "whoever recovers next must find it, too"

    store.mended(0)
    assert store.left_over(0) == set()
    store.apply_records(CHANGELOG, [record(5, b"v", b"other@4")])
    assert store.persisted_offset(CHANGELOG) == 5


@pytest.mark.parametrize("newest", [b"same@9", b"newer@10", None])
async def test_a_standby_sees_that_the_owner_has_mended_the_changelog(
    store: BatchStore, newest: bytes | None
) -> None:
    store.apply_records(CHANGELOG, [record(0, b"u", b"new@9"), record(1, b"u", b"late@5")])
    store.apply_records(CHANGELOG, [record(2, b"u", newest)])
    assert store.left_over(0) == set()
    assert store.persisted_offset(CHANGELOG) == 2


async def complete(store: BatchStore) -> None:
    """As when a recovery has ended."""
    await store.on_recovery_completed({CHANGELOG}, set())


def set_back(store: BatchStore, *, hours: float) -> None:
    """Let the state of partition 0 be so old; RocksDB's own files are as young as can be."""
    mark_file = next(store.partition_path(0).glob("*current-until"))
    mark_file.write_text(repr(float(mark_file.read_text()) - hours * 3600))


async def test_state_older_than_half_of_a_tombstones_life_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for hours, kept in ((11, b"1"), (13, None)):
        store = open_store(tmp_path)
        store.put_many(0, {b"u": b"1"})
        await complete(store)
        await store.stop()
        set_back(store, hours=hours)
        store = open_store(tmp_path)
        assert store.get_many(0, [b"u"]) == [kept]
        await store.stop()
    assert "table-0.db is 13 h behind: deleted, and recovered" in caplog.text


async def test_neither_opening_nor_an_unfinished_recovery_makes_state_younger(tmp_path: Path) -> None:
    """Started again and again within half a tombstone's life, and never done recovering."""
    store = open_store(tmp_path)
    store.put_many(0, {b"u": b"1"})
    await complete(store)
    await store.stop()
    for kept in (b"1", None):
        set_back(store, hours=8)
        store = open_store(tmp_path)
        assert store.get_many(0, [b"u"]) == [kept]
        await store.stop()


async def test_a_recovery_makes_state_as_young_as_what_it_has_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put_many(0, {b"u": b"1"})
    await complete(store)
    await store.stop()
    set_back(store, hours=11)
    store = open_store(tmp_path)
    store.apply_records(CHANGELOG, [record(0, b"v", b"2", hours_ago=2)])
    await store.stop()
    assert 1.9 < freshness.age_s(store.partition_path(0)) / 3600 < 2.1


async def test_state_is_as_old_as_the_last_that_was_heard_of_the_group(tmp_path: Path) -> None:
    """A worker that slept for a day, and is expelled: its successor has forgotten users since."""
    store = open_store(tmp_path)
    store.put_many(0, {b"u": b"1"})
    await complete(store)
    set_back(store, hours=24)
    store.silence_s = lambda: 20 * 3600.0
    await store.stop()
    assert freshness.age_s(store.partition_path(0)) > 19 * 3600


async def test_state_without_a_mark_is_made_anew(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put_many(0, {b"u": b"1"})
    await store.stop()
    next(store.partition_path(0).glob("*current-until")).unlink()
    store = open_store(tmp_path)
    assert store.get_many(0, [b"u"]) == [None]
    await store.stop()


def test_a_killed_worker_leaves_the_mark_of_its_last_writing_out(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, pathlib, signal
from tests.unit.stream_app.streaming.lane.test_store import complete, open_store, set_back
store = open_store(pathlib.Path({str(tmp_path)!r}))
store.put_many(0, {{b"u": b"1"}})
asyncio.run(complete(store))
set_back(store, hours=9)
store.write_out()
set_back(store, hours=3)
store.put_many(0, {{b"u": b"2"}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    store = open_store(tmp_path)
    assert 2.9 < freshness.age_s(store.partition_path(0)) / 3600 < 3.1
    assert store.get_many(0, [b"u"]) == [b"1"]  # and what came later is in the changelog


async def test_a_recovery_forgets_whom_the_changelog_forgets(store: BatchStore) -> None:
    store.apply_records(CHANGELOG, [record(0, b"u", b"one@1"), record(1, b"u", None)])
    assert store.get_many(0, [b"u"]) == [None]
    store.apply_records(CHANGELOG, [record(2, b"u", b"anew@2")])
    assert store.get_many(0, [b"u"]) == [b"anew@2"]


async def test_the_offset_is_written_with_the_records_that_it_covers(store: BatchStore) -> None:
    assert store.persisted_offset(CHANGELOG) is None
    store.apply_records(CHANGELOG, [record(7, b"u", b"one@1"), record(8, b"v", b"two@2")])
    assert store.persisted_offset(CHANGELOG) == 8


async def test_no_user_can_overwrite_the_offset(store: BatchStore) -> None:
    store.set_persisted_offset(CHANGELOG, 41)
    names = ["__faust\0offset__", "ÿ offset", "\x00", "offset"]
    store.put_many(0, {name.encode(): b"a history" for name in names})
    assert store.persisted_offset(CHANGELOG) == 41
    assert store.get_many(0, [names[0].encode()]) == [b"a history"]


async def test_a_revoked_partition_is_closed_and_another_process_can_open_it(
    store: BatchStore, tmp_path: Path
) -> None:
    store.put_many(0, {b"u": b"one@1"})
    assert store.holds(0)
    store.revoke_partitions(store.table, {CHANGELOG})
    assert not store.holds(0)
    successor = open_store(tmp_path)  # fails on RocksDB's lock where the first was not closed
    assert successor.get_many(0, [b"u"]) == [b"one@1"]
    await successor.stop()


def test_a_store_ahead_of_the_changelog_takes_a_replay_without_harm() -> None:
    """After a crash the disk may hold events whose changelog record was never sent: they are replayed."""
    events = [
        Interaction(offset, b"u", offset + 100, 10**12 + offset, 1, f"i{offset}") for offset in range(5)
    ]
    ahead = extend(None, events, epoch=0, limit=200, max_age_ms=10**10)
    assert ahead is not None
    assert extend(ahead, events[2:], epoch=0, limit=200, max_age_ms=10**10) == ahead


async def test_a_late_record_does_not_undo_what_this_owner_wrote_first(store: BatchStore) -> None:
    store.put_many(0, {b"u": b"own@9"})
    store.apply_records(CHANGELOG, [record(0, b"u", b"late@5")])
    assert store.get_many(0, [b"u"]) == [b"own@9"]

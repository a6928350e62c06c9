from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle.hashing import item_hash
from stream_app.bench.filled_state import filled_histories, filled_lists, history_bytes, log_bytes
from stream_app.domain import history, lists

HASHES = np.array([item_hash(f"item-{number}") for number in range(12)], dtype="<u8")
NOW_MS = 1_700_000_000_000


def test_histories_are_as_a_worker_stores_them() -> None:
    records = list(filled_histories(HASHES, users=3, entries=48, now_ms=NOW_MS))
    assert [record.key for record in records] == [b"user-0", b"user-1", b"user-2"]
    for record in records:
        assert record.value is not None and history.length(record.value) == 48
        assert len(record.value) == history_bytes(48) == 800
        entries = list(history.entries(record.value))
        assert {entry.item_hash for entry in entries} <= set(HASHES.tolist())
        at = history.header(record.value)
        assert (min(e.timestamp_ms for e in entries), max(e.timestamp_ms for e in entries)) == (
            at.oldest_ms,
            at.newest_ms,
        )


def test_the_first_event_of_a_partition_comes_after_what_was_filled() -> None:
    (record,) = filled_histories(HASHES, users=1, entries=1, now_ms=NOW_MS)
    assert history.position(record.value or b"") < (0, 0)


def test_lists_are_as_a_worker_stores_them() -> None:
    (record,) = filled_lists(HASHES, users=1, now_ms=NOW_MS)
    assert lists.read(record.value)[0].rank(int(HASHES[9])) == 10


def test_a_changelogs_bytes_are_those_of_its_own_files(tmp_path: Path) -> None:
    sizes = {
        "a-changelog-0/0.log": 5,
        "a-changelog-1/7.log": 6,
        "a-changelog-1/7.index": 9,
        "a-changelog-x/0.log": 1,
    }
    for name, size in sizes.items():
        file = tmp_path / "log" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    assert log_bytes(tmp_path, "a-changelog") == 11

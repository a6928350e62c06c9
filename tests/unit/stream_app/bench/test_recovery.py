from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundle.hashing import item_hash
from stream_app.bench.recovery import ENTRIES, filled_histories, filled_lists, moments
from stream_app.domain import history, lists

HASHES = np.array([item_hash(f"item-{number}") for number in range(12)], dtype="<u8")
LOG = """\
[2026-11-22 03:49:09,346] [3041] [INFO] Setting newly assigned partitions
+Topic Partition Set---------------+------------+
[2026-11-22 03:49:09,507] [3041] [INFO] [^---Recovery]: Resuming flow...
[2026-11-22 03:49:11,846] [3041] [INFO] [^---Recovery]: Worker ready
"""


def test_histories_are_as_a_worker_stores_them() -> None:
    records = list(filled_histories(HASHES, users=3))
    assert [record.key for record in records] == [b"user-0", b"user-1", b"user-2"]
    for record in records:
        assert record.value is not None and history.length(record.value) == ENTRIES
        entries = list(history.entries(record.value))
        assert {entry.item_hash for entry in entries} <= set(HASHES.tolist())
        at = history.header(record.value)
        assert (min(e.timestamp_ms for e in entries), max(e.timestamp_ms for e in entries)) == (
            at.oldest_ms,
            at.newest_ms,
        )


def test_lists_are_as_a_worker_stores_them() -> None:
    (record,) = filled_lists(HASHES, users=1)
    assert lists.read(record.value)[0].rank(int(HASHES[9])) == 10


def test_a_recovery_lasts_from_the_assignment_to_readiness(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    assigned, ready = moments(log) or (0, 0)
    assert ready - assigned == pytest.approx(2.5)


def test_a_log_without_readiness_says_nothing_yet(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG[:400].rpartition("[2026")[0])
    assert moments(log) is None

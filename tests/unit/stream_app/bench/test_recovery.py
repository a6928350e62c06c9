from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.bench.recovery import moments, recovery_ratios

LOG = """\
[2026-11-22 03:49:09,346] [3041] [INFO] Setting newly assigned partitions
+Topic Partition Set---------------+------------+
[2026-11-22 03:49:09,507] [3041] [INFO] [^---Recovery]: Resuming flow...
[2026-11-22 03:49:11,846] [3041] [INFO] [^---Recovery]: Worker ready
"""


def test_a_recovery_lasts_from_the_assignment_to_readiness(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    assigned, ready = moments(log) or (0, 0)
    assert ready - assigned == pytest.approx(2.5)


def test_a_log_without_readiness_says_nothing_yet(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG[:400].rpartition("[2026")[0])
    assert moments(log) is None


def test_ratios_are_to_a_recovery_from_an_empty_disk() -> None:
    took = {"recovery_cold": 1.5, "recovery_warm": 0.1, "stock_faust": 60.0, "recovery_cold_updated": 2.4}
    results = [{"name": name, "recovery_s": seconds} for name, seconds in took.items()]
    assert recovery_ratios(results) == {"stock_faust": 40.0, "recovery_cold_updated": 1.6}
    assert recovery_ratios(results[:2]) == {}

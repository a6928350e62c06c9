"""Three minutes of the soak; CONTRIBUTING.md says how to let it run for an hour."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require_apache_kafka

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("delivery", "minutes"), [("at-least-once", 1.5), ("exactly-once", 1.5)])
def test_nothing_is_lost_and_nothing_applied_twice_whatever_happens(delivery: str, minutes: float) -> None:
    require_apache_kafka()
    command = [sys.executable, "-m", "tests.chaos.soak", "--minutes", str(minutes), "--seed", "7", "--json"]
    done = subprocess.run(
        [*command, "--delivery", delivery, "--per-second", "200"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-6000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kills"] >= 2
    assert figures["events"] > 5_000
    assert figures["outcomes"] > 1_000

"""A soak of a minute or two, as a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import require_apache_kafka

ROOT = Path(__file__).parents[3]


def run_briefly(*, delivery: str, minutes: float) -> None:
    """Run the command for a while; fails with its log where there is a counter-example."""
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

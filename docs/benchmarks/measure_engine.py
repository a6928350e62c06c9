"""Measures what engine.md tells, writes engine.json and draws engine.svg: `make bench-engine`.

All of it takes most of an hour on two cores, which nothing else should use meanwhile. Runs can be named to
measure them alone: `python docs/benchmarks/measure_engine.py compare latency`; the others keep their figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from plot_engine import HERE, draw

MILLSTREAM = Path(sys.executable).parent / "millstream"
RUNS = {
    "compare": ["compare"],
    "latency": ["latency", "--seconds", "30"],
    "recovery": ["recovery", "--no-stock"],
    "growth": ["growth"],
    "takeover": ["takeover"],
    "latency_exactly_once": ["latency", "--delivery", "exactly-once"],
    "latency_no_model": ["latency", "--model", "none"],
    "overload": ["overload"],
    "model": ["worker", "--model", "random"],
    "recovery_1m_800b": ["recovery", "--no-stock", "--users", "1000000", "--entries", "48"],
    "recovery_1m_800b_no_lists": [
        "recovery", "--no-stock", "--no-lists", "--users", "1000000", "--entries", "48",
    ],
    "recovery_updated": ["recovery", "--no-stock", "--updates", "10"],
    "touched": ["worker"],
    "each": ["worker", "--emit", "each", "--events", "200000"],
    "recovery_stock": ["recovery", "--rounds", "1"],
    "recovery_1m_2400b": ["recovery", "--no-stock", "--users", "1000000", "--rounds", "1"],
}  # fmt: skip


def measure(names: list[str]) -> None:
    """Measure these runs (all where none is named); each one's figures are written as soon as it is done."""
    unknown = set(names) - set(RUNS)
    if unknown:
        raise SystemExit(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    file = HERE / "engine.json"
    figures = json.loads(file.read_text())
    for name in names or RUNS:
        print(f"{name}: millstream bench {' '.join(RUNS[name])}", file=sys.stderr, flush=True)
        command = [str(MILLSTREAM), "bench", *RUNS[name], "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures[name] = json.loads(done.stdout.splitlines()[-1])
        file.write_text(json.dumps(figures, indent=1) + "\n")
    draw()


if __name__ == "__main__":
    measure(sys.argv[1:])

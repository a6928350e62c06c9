"""What memory a fit takes by the length of its log: `make bench-training-memory`, training_memory.json.

    python docs/benchmarks/measure_training_memory.py [--events 10000000,40000000] [--folder FOLDER]

Makes Parquet files of events up, 200 a user, items as popular as a Zipf law has them, and trains on each for
half a minute with `millstream train`, in a process of its own. Its peak is told beside the size of the arrays
that the events become, which are mapped: their pages count, but the system may take them back.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

MILLSTREAM = Path(sys.executable).parent / "millstream"
FILE = Path(__file__).parent / "training_memory.json"
ITEMS, EVENTS_A_USER, SECONDS = 20_000, 200, 30
ARRAYS_BYTES = 4 + 1 + 8 + 8  # row, type, timestamp, newest: `training.dataset.Sequences`


def measure(events: int, *, folder: Path) -> dict[str, Any]:
    """Peak memory in MB and what was done, for a log of so many events."""
    log = folder / "log.parquet"
    # In a process of its own: a child's peak begins at its parent's.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        apart.submit(_make_up, events, log).result()
    command = [MILLSTREAM, "train", str(log), "--seconds", str(SECONDS), "--checkpoint", str(folder / "m.pt")]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    answer = json.loads(out.splitlines()[-1])
    log.unlink()
    return {
        "events": answer["interactions"],
        "users": answer["users"],
        "items": answer["items"],
        "arrays_mb": round(events * ARRAYS_BYTES / 1e6),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
    }


def _make_up(events: int, file: Path) -> None:
    random = np.random.default_rng(0)
    popularity = 1.0 / np.arange(1, ITEMS + 1)
    item = random.choice(ITEMS, size=events, p=popularity / popularity.sum()).astype(np.int32)
    user = random.integers(0, events // EVENTS_A_USER, size=events, dtype=np.int32)
    time_ms = 1_700_000_000_000 + np.sort(random.integers(0, 90 * 86_400_000, size=events))
    pl.DataFrame({"user_id": user, "item_id": item, "timestamp": time_ms}).write_parquet(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", default="10000000,40000000", help="lengths of the logs, with commas")
    parser.add_argument("--folder", type=Path, help="where the logs are made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="millstream-") as made:
        rows = [measure(int(events), folder=Path(made)) for events in asked.events.split(",")]
    FILE.write_text(json.dumps({"seconds": SECONDS, "logs": rows}, indent=1) + "\n")
    print(FILE.read_text(), end="")

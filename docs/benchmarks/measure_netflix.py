"""Measures how long the Netflix Prize takes at full size, and what memory; writes netflix.json.

    python docs/benchmarks/measure_netflix.py [--rows 100000000] [--form combined|mv] [--folder FOLDER]
    python docs/benchmarks/measure_netflix.py --data FOLDER [--form combined|mv] [--folder FOLDER]

Makes the ratings up (see make_netflix.py), about 2 GB, under the folder or where temporary files go, unless
they are there; reads them into arrays in a process of its own, and writes the sequences to train on; then
does both again in another, which finds the arrays ready. What was made is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from make_netflix import make_netflix

HERE = Path(__file__).parent


def measure(*, rows: int, form: str, folder: Path | None, data: Path | None) -> dict[str, Any]:
    """The figures of both processes; times in seconds, memory in MB at its peak."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="netflix-") as made:
        if data is None:
            data = Path(made) / "data"
            say(f"making {rows} ratings up in {data}")
            make_netflix(data, rows=rows, form=form)
        first, second = (_in_a_process(data, Path(made), run=run) for run in ("first", "second"))
    return {
        "rows": first["rows"],
        "users": first["users"],
        "items": first["items"],
        "form": form,
        "cores": len(os.sched_getaffinity(0)),
        "first": first,
        "second": second,
    }


def _in_a_process(data: Path, made: Path, *, run: str) -> dict[str, Any]:
    busy, began = _seconds_of_others(), time.perf_counter()
    command = [sys.executable, __file__, "--read", str(data), "--stored", str(made / "stored")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    # Whoever else used the cores meanwhile made it slower.
    found["cores_used_by_others"] = round((_seconds_of_others() - busy) / (time.perf_counter() - began), 2)
    say(f"{run} run: {json.dumps(found)}")
    return found


def _seconds_of_others() -> float:
    """What all processors have worked since the start, but for this process and the ones that it ended."""
    with Path("/proc/stat").open() as file:
        user, nice, system, _, _, *interrupts = map(int, file.readline().split()[1:8])
    own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - own


def read(data: Path, stored: Path) -> dict[str, Any]:
    """Read, and write the sequences, in this process."""
    began = time.perf_counter()
    from training.dataset import vocabulary_of, write_sequences
    from training.sources.files import read_interactions

    imported = time.perf_counter()
    log = read_interactions(data, stored=stored)
    was_read = time.perf_counter()
    peak_read = _peak_mb()
    with tempfile.TemporaryDirectory(dir=stored.parent) as folder:
        write_sequences(log, vocabulary_of(log), Path(folder))
        written = time.perf_counter()
    return {
        "rows": len(log),
        "users": len(log.users),
        "items": len(log.items),
        "rejected": sum(log.rejected.values()),
        "seconds": round(written - began, 1),
        "read_seconds": round(was_read - imported, 1),
        "sequences_seconds": round(written - was_read, 1),
        "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 1),
        "read_peak_mb": peak_read,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def say(words: str) -> None:
    """To stderr."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The Netflix Prize at full size: time and memory.")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--form", choices=["combined", "mv"], default="combined")
    parser.add_argument("--folder", type=Path, help="where to write; needs 8 GB for 100 million rows")
    parser.add_argument("--data", type=Path, help="ratings that are there already")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stored", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(asked.read, asked.stored)))
    else:
        figures = HERE / "netflix.json"
        known = json.loads(figures.read_text()) if figures.exists() else {}
        known[asked.form] = measure(rows=asked.rows, form=asked.form, folder=asked.folder, data=asked.data)
        figures.write_text(json.dumps(known, indent=1) + "\n")
        print(json.dumps(known[asked.form], indent=1))

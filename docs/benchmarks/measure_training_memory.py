"""What memory a fit takes by the length of its log: `make bench-training-memory`, training_memory.json.

    python docs/benchmarks/measure_training_memory.py [--events 10000000,20000000] [--folder FOLDER]

Makes events up, 200 a user, items as popular as a Zipf law has them, and trains on each log for half a
minute, in a process of its own: once from a Parquet file, as `millstream train FILE` does, and once from the
records of a topic, read and sorted as `millstream train kafka` does, though no broker sends them.

Two peaks of its memory are told: all of it, and what is its own; the rest are pages of mapped files, which
the system may take back.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from training.fit_config import FitConfig
from training.interactions import Interactions
from training.sources.files import read_interactions
from training.sources.kafka import collect

FILE = Path(__file__).parent / "training_memory.json"
ITEMS, EVENTS_A_USER, SECONDS, PARTITIONS = 20_000, 200, 30, 4
SOURCES = ("parquet", "topic")
AT_A_TIME = 500_000
ARRAYS_BYTES = 4 + 1 + 8 + 8  # row, type, timestamp, newest: `training.dataset.Sequences`


def measure(events: int, source: str, *, folder: Path) -> dict[str, Any]:
    """Peak memory in MB and what was done, for a log of so many events."""
    log = folder / "log.parquet"
    # Each in a process of its own: what making the events up has taken does not count.
    for work in (_write, _learn) if source == "parquet" else (_learn,):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
            answer = apart.submit(work, events, source, log).result()
    log.unlink(missing_ok=True)
    assert answer is not None
    return {"source": source, "arrays_mb": round(events * ARRAYS_BYTES / 1e6), **answer}


def _learn(events: int, source: str, file: Path) -> dict[str, Any]:
    from training.train import train

    with _Peak() as peak:
        began_s = time.monotonic()
        log = read_interactions(file) if source == "parquet" else _from_records(events)
        read_s = time.monotonic() - began_s
        report = train(log, config=FitConfig(seconds=SECONDS), show_progress=True).report
    return {
        "events": len(log),
        "users": len(log.users),
        "items": len(log.items),
        "read_s": round(read_s),
        "steps": report.steps,
        "peak_mb": round(peak.all_mb),
        "own_peak_mb": round(peak.own_mb),
    }


class _Peak:
    """The most memory of this process while it is looked at, five times a second."""

    def __enter__(self) -> _Peak:
        self.all_mb = self.own_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            now_mb = {name: int(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")}
            self.all_mb = max(self.all_mb, now_mb["VmRSS"])
            self.own_mb = max(self.own_mb, now_mb["RssAnon"])


def _some(events: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Users, items and times of all events, in order of time, a part of them at a time."""
    random = np.random.default_rng(0)
    popularity = 1.0 / np.arange(1, ITEMS + 1)
    popularity /= popularity.sum()
    span_ms = 90 * 86_400_000 // events or 1
    for first in range(0, events, AT_A_TIME):
        count = min(AT_A_TIME, events - first)
        item = random.choice(ITEMS, size=count, p=popularity)
        user = random.integers(0, events // EVENTS_A_USER, size=count)
        time_ms = 1_700_000_000_000 + (first + np.arange(count)) * span_ms
        yield user, item, time_ms


def _write(events: int, source: str, file: Path) -> None:
    user, item, time_ms = (np.concatenate(parts) for parts in zip(*_some(events), strict=True))
    pl.DataFrame(
        {"user_id": user.astype(np.int32), "item_id": item.astype(np.int32), "timestamp": time_ms}
    ).write_parquet(file)


@dataclass(frozen=True, slots=True)
class _Record:
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    topic: str = "events"


def _from_records(events: int) -> Interactions:
    async def lists() -> AsyncIterator[Iterator[_Record]]:
        offsets = itertools.count()
        for user, item, time_ms in _some(events):
            rows = zip(user.tolist(), item.tolist(), time_ms.tolist(), strict=True)
            yield (_record(offset, *row) for row, offset in zip(rows, offsets, strict=False))

    return asyncio.run(collect(lists()))


def _record(offset: int, user: int, item: int, time_ms: int) -> _Record:
    value = b'{"user_id":"%d","item_id":"%d","type":"view","timestamp":%d}' % (user, item, time_ms)
    return _Record(user % PARTITIONS, offset, time_ms, b"%d" % user, value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", default="10000000,20000000", help="lengths of the logs, with commas")
    parser.add_argument("--folder", type=Path, help="where the logs are made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="millstream-") as made:
        os.environ["TMPDIR"] = made  # what is mapped lies there, too
        rows = [
            measure(int(events), source, folder=Path(made))
            for events in asked.events.split(",")
            for source in SOURCES
        ]
    FILE.write_text(json.dumps({"seconds": SECONDS, "logs": rows}, indent=1) + "\n")
    print(FILE.read_text(), end="")

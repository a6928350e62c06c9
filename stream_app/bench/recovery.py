"""Recovery: a worker takes over the state of many users, from an empty disk and from its own.

The changelogs are filled straight with records, as workers would have left them. Measured is what the worker
logs: from the assignment of its partitions to its readiness. Stock Faust recovers the same changelogs in the
same run. The worker's memory is the largest seen from its start until it is ready, its catalogue included.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import item_hash
from stream_app.bench.broker_run import new_topics, pinned_kafka
from stream_app.bench.processes import BenchError, Cores, MeasuredProcess, two_cores
from stream_app.bench.worker import ITEMS, NAIVE_AGENT, WORKER, worker_environment
from stream_app.bench.workload import catalogue, item_records, user_id
from stream_app.domain.history import ENTRY_BYTES, FORMAT, HEADER, HEADER_BYTES
from stream_app.domain.lists import GivenList, write
from stream_app.domain.messages import ModelRef
from stream_app.streaming.sending import Outgoing, send_records
from stream_app.streaming.topics import TopicNames

ENTRIES = 150
LIST_LENGTH = 10
LIMIT_S = 120.0
_NOW_MS = 1_700_000_000_000
_LINE = re.compile(r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\](.*)$", re.MULTILINE)
_ASSIGNED, _READY = "Setting newly assigned partitions", "Worker ready"

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_recovery(
    *,
    users: int = 100_000,
    rounds: int = 3,
    lists: bool = True,
    stock: bool = True,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) and ratios. Raises BenchError where a process does not get ready."""
    runs = asyncio.run(_rounds(users=users, rounds=rounds, lists=lists, stock=stock, say=say))
    results: list[Result] = [
        {"name": name, "users": users, "history_bytes": HEADER_BYTES + ENTRIES * ENTRY_BYTES}
        | {key: round(statistics.median(run[key] for run in of_one), 2) for key in of_one[0]}
        | {"runs": [run["recovery_s"] for run in of_one]}
        for name, of_one in runs.items()
    ]
    took = {result["name"]: result["recovery_s"] for result in results}
    ratios = {"stock_faust": round(took["stock_faust"] / took["recovery_cold"], 1)} if stock else {}
    return results, ratios


async def _rounds(*, users: int, rounds: int, lists: bool, stock: bool, say: Say) -> dict[str, list[Result]]:
    cores, runs = two_cores(), dict[str, list[Result]]()
    async with pinned_kafka(cores) as kafka:
        names = await new_topics(kafka)
        await _fill(kafka, names, users=users, lists=lists)
        folder = Path(tempfile.mkdtemp(prefix="millstream-bench-"))
        try:
            for number in range(rounds):
                of_worker, of_stock = folder / f"worker-{number}", folder / f"stock-{number}"
                plan = [("recovery_cold", WORKER, of_worker), ("recovery_warm", WORKER, of_worker)]
                if stock:
                    plan.append(("stock_faust", NAIVE_AGENT, of_stock))
                for name, command, state in plan:
                    found = await _run_once(command, kafka=kafka, names=names, cores=cores, folder=state)
                    runs.setdefault(name, []).append(found)
                    say(f"round {number + 1}, {name}: {found['recovery_s']:.2f} s")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return runs


async def _fill(kafka: Mapping[str, Any], names: TopicNames, *, users: int, lists: bool) -> None:
    items = catalogue(ITEMS)
    await send_records(kafka, names.items, item_records(items))
    hashes = np.array([item_hash(item) for item in items], dtype="<u8")
    await send_records(kafka, names.history_changelog, filled_histories(hashes, users=users))
    if lists:
        await send_records(kafka, names.lists_changelog, filled_lists(hashes, users=users))


def filled_histories(hashes: NDArray[np.uint64], *, users: int) -> Iterator[Outgoing]:
    """Records of the history changelog: each user with `ENTRIES` events on items of these hashes."""
    random = np.random.default_rng(1)
    header = HEADER.pack(FORMAT, 0, 0, _NOW_MS - 1, _NOW_MS - ENTRIES)
    for number in range(users):
        entries = np.empty((ENTRIES, 2), dtype="<u8")
        entries[:, 0] = random.choice(hashes, size=ENTRIES)
        entries[:, 1] = (np.arange(_NOW_MS - ENTRIES, _NOW_MS, dtype=np.uint64) << np.uint64(8)) | np.uint64(
            1
        )
        yield Outgoing(user_id(number).encode(), header + entries.tobytes(), None)


def filled_lists(hashes: NDArray[np.uint64], *, users: int) -> Iterator[Outgoing]:
    """Records of the lists changelog: each user was given the first items."""
    given = GivenList(
        0, 0, _NOW_MS, LIST_LENGTH, ModelRef("trending", "fallback"), hashes[:LIST_LENGTH].tobytes()
    )
    record = write((given,))
    for number in range(users):
        yield Outgoing(user_id(number).encode(), record, None)


async def _run_once(
    command: Sequence[str], *, kafka: Mapping[str, Any], names: TopicNames, cores: Cores, folder: Path
) -> Result:
    folder.mkdir(exist_ok=True)
    log = folder / f"log-{time.monotonic_ns()}"
    began = time.time()
    with MeasuredProcess(
        command, core=cores.worker, environment=worker_environment(kafka, names, folder), log=log
    ) as process:
        deadline = time.monotonic() + LIMIT_S
        while (found := moments(log)) is None:
            process.check()
            if time.monotonic() > deadline:
                raise BenchError(f"not ready after {LIMIT_S:.0f} s: {' '.join(command)}")
            await asyncio.sleep(0.1)
    assigned, ready = found
    return {
        "recovery_s": round(ready - assigned, 3),
        "start_to_ready_s": ready - began,
        "cpu_s": process.cpu_s_between(assigned, ready),
        "rss_mb": process.rss_mb,
    }


def moments(log: Path) -> tuple[float, float] | None:
    """When the process was assigned its partitions and when it was ready, seconds since the epoch."""
    at: dict[str, float] = {}
    for stamp, words in _LINE.findall(log.read_text(errors="replace")):
        for event in (_ASSIGNED, _READY):
            if event in words:
                at.setdefault(event, datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp())
    return (at[_ASSIGNED], at[_READY]) if len(at) == 2 else None

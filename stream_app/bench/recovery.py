"""Recovery: a worker takes over the state of many users, from an empty disk and from its own.

The changelogs are filled straight with records, as workers would have left them; where updates are asked for,
a second time too, every user's record then being written so many times more, and the broker given the time to
compact them. Measured is what the worker logs: from the assignment of its partitions to its readiness. Stock
Faust recovers the same changelogs in the same run. The worker's memory is the largest seen from its start
until it is ready, its catalogue included. An event is there before each start: from the start of the process
to the list that answers it is what a user has to wait for.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from stream_app.bench.broker_run import answered, end_offsets, new_topics, pinned_kafka
from stream_app.bench.filled_state import fill, history_bytes, log_bytes
from stream_app.bench.processes import BenchError, Cores, MeasuredProcess, two_cores
from stream_app.bench.worker import ITEMS, NAIVE_AGENT, WORKER, worker_environment
from stream_app.bench.workload import Workload, catalogue
from stream_app.streaming.sending import send_records
from stream_app.streaming.topics import TopicNames

ENTRIES = 150
LIMIT_S = 300.0
_NOW_MS = 1_700_000_000_000
_LINE = re.compile(r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\](.*)$", re.MULTILINE)
_ASSIGNED, _READY = "Setting newly assigned partitions", "Worker ready"
# The broker looks for something to compact every 15 s.
_SETTLED_AFTER_S = 40.0
_SETTLE_LIMIT_S = 300.0

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_recovery(
    *,
    users: int = 100_000,
    entries: int = ENTRIES,
    updates: int = 0,
    rounds: int = 3,
    lists: bool = True,
    stock: bool = True,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) and ratios. Raises BenchError where a process does not get ready."""
    runs = asyncio.run(
        _rounds(
            users=users, entries=entries, updates=updates, rounds=rounds, lists=lists, stock=stock, say=say
        )
    )
    results: list[Result] = [
        {"name": name, "users": users, "history_bytes": history_bytes(entries)}
        | {key: round(statistics.median(run[key] for run in of_one), 2) for key in of_one[0]}
        | {"runs": [run["recovery_s"] for run in of_one]}
        for name, of_one in runs.items()
    ]
    return results, recovery_ratios(results)


def recovery_ratios(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many times as long as a recovery from an empty disk the others take."""
    took = {result["name"]: result["recovery_s"] for result in results}
    return {
        name: round(took[name] / took["recovery_cold"], 1)
        for name in ("stock_faust", "recovery_cold_updated")
        if name in took
    }


async def _rounds(
    *, users: int, entries: int, updates: int, rounds: int, lists: bool, stock: bool, say: Say
) -> dict[str, list[Result]]:
    cores, runs = two_cores(), dict[str, list[Result]]()
    data = Path(tempfile.mkdtemp(prefix="millstream-kafka-"))
    folder = Path(tempfile.mkdtemp(prefix="millstream-bench-"))

    async def measure(kafka: Mapping[str, Any], names: TopicNames, plan: Sequence[_Kind]) -> None:
        for number in range(rounds):
            for name, command, kept in plan:
                state = folder / f"{names.app_id}-{number}-{kept}"
                found = await _run_once(command, kafka=kafka, names=names, cores=cores, folder=state)
                found["changelog_mb"] = _changelog_bytes(data, names) / 1e6
                runs.setdefault(name, []).append(found)
                say(f"round {number + 1}, {name}: {found['recovery_s']:.2f} s")

    try:
        async with pinned_kafka(cores, data=data) as kafka:
            for more in (0, updates) if updates else (0,):
                names = await new_topics(kafka)
                await fill(
                    kafka,
                    names,
                    users=users,
                    entries=entries,
                    items=ITEMS,
                    now_ms=_NOW_MS,
                    lists=lists,
                    updates=more,
                )
                if more:
                    await _until_compacted(data, names, say=say)
                    plan = _UPDATED
                else:
                    plan = _PLAN if stock else _PLAN[:-1]
                await measure(kafka, names, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
    return runs


# What a run is called, what is run, and whose state it keeps: the warm start has the disk of the cold one.
_Kind = tuple[str, Sequence[str], str]
_PLAN: tuple[_Kind, ...] = (
    ("recovery_cold", WORKER, "worker"),
    ("recovery_warm", WORKER, "worker"),
    ("stock_faust", NAIVE_AGENT, "stock"),
)
_UPDATED: tuple[_Kind, ...] = (("recovery_cold_updated", WORKER, "worker"),)


def _changelog_bytes(data: Path, names: TopicNames) -> int:
    return sum(log_bytes(data, topic) for topic in names.changelogs)


async def _until_compacted(data: Path, names: TopicNames, *, say: Say) -> None:
    """Wait until the broker finds nothing more to compact, as it would between a day's updates."""
    began = changed_at = time.monotonic()
    size = written = _changelog_bytes(data, names)
    while time.monotonic() - changed_at < _SETTLED_AFTER_S and time.monotonic() - began < _SETTLE_LIMIT_S:
        await asyncio.sleep(1)
        before, size = size, _changelog_bytes(data, names)
        if size != before:
            changed_at = time.monotonic()
    say(f"compacted from {written / 1e6:.0f} to {size / 1e6:.0f} MB in {changed_at - began:.0f} s")


async def _run_once(
    command: Sequence[str], *, kafka: Mapping[str, Any], names: TopicNames, cores: Cores, folder: Path
) -> Result:
    folder.mkdir(exist_ok=True)
    log = folder / f"log-{time.monotonic_ns()}"
    answers = sum((await end_offsets(kafka, names.recommendations)).values())
    event = Workload(events=1, users=1, item_ids=catalogue(ITEMS), seed=answers).records()
    await send_records(kafka, names.events, event)
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
        rss_mb = process.rss_mb
        while sum((await end_offsets(kafka, names.recommendations)).values()) == answers:
            process.check()
            if time.monotonic() > deadline:
                raise BenchError(f"no list after {LIMIT_S:.0f} s: {' '.join(command)}")
            await asyncio.sleep(0.05)
        first_list = (await answered(kafka, names))[-1].appended_at_ms / 1000
    assigned, ready = found
    return {
        "recovery_s": round(ready - assigned, 3),
        "start_to_ready_s": ready - began,
        "start_to_first_list_s": first_list - began,
        "cpu_s": process.cpu_s_between(assigned, ready),
        "rss_mb": rss_mb,
    }


def moments(log: Path) -> tuple[float, float] | None:
    """When the process was assigned its partitions and when it was ready, seconds since the epoch."""
    at: dict[str, float] = {}
    for stamp, words in _LINE.findall(log.read_text(errors="replace")):
        for event in (_ASSIGNED, _READY):
            if event in words:
                at.setdefault(event, datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp())
    return (at[_ASSIGNED], at[_READY]) if len(at) == 2 else None

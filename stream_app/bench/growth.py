"""What a worker costs as its users grow: CPU time an event, memory, and changelog bytes an event.

The changelogs are filled with the users' histories and last lists; the worker recovers them and then answers
events of those users, by Zipf's law over all of them. Memory is the largest that was seen, the recovery
included. A changelog's bytes are those of its files on the broker's disk, compaction held off meanwhile.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stream_app.bench.broker_run import pinned_kafka
from stream_app.bench.filled_state import fill, history_bytes, log_bytes
from stream_app.bench.processes import Cores, MeasuredProcess, two_cores
from stream_app.bench.worker import ITEMS, WORKER, Contender, run_once, summary
from stream_app.streaming.topics import TopicNames

EVENT_BYTES = 200
ENTRIES = 48
_UNCOMPACTED = dict.fromkeys(("min.compaction.lag.ms", "max.compaction.lag.ms"), str(24 * 3600 * 1000))

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_growth(
    *,
    users: Sequence[int] = (10_000, 1_000_000),
    entries: int = ENTRIES,
    events: int = 200_000,
    emit: str = "touched",
    rounds: int = 3,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) for each number of users, and ratios of the last to the first.

    Raises BenchError where an answer is missing.
    """
    runs = asyncio.run(_rounds(users, entries, events=events, emit=emit, rounds=rounds, say=say))
    results: list[Result] = [
        {
            **summary(f"growth_{count}_users", of_one),
            "users": count,
            "history_bytes": history_bytes(entries),
            "emit": emit,
        }
        for count, of_one in runs.items()
    ]
    return results, growth_ratios(results)


def growth_ratios(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Cost an event and memory of the last result over those of the first."""
    first, last = results[0], results[-1]
    return {
        name: round(last[key] / first[key], 2)
        for name, key in (
            ("cpu_per_event", "cpu_us_per_event"),
            ("cpu_per_list", "cpu_us_per_list"),
            ("memory", "rss_mb"),
        )
    }


async def _rounds(
    users: Sequence[int], entries: int, *, events: int, emit: str, rounds: int, say: Say
) -> dict[int, list[Result]]:
    cores, runs = two_cores(), dict[int, list[Result]]()
    for number in range(rounds):
        for count in users:
            # A broker for each run: what the last one left behind would be cleaned during the next.
            with tempfile.TemporaryDirectory(prefix="millstream-kafka-") as data:
                async with pinned_kafka(cores, data=Path(data)) as kafka:
                    found = await _run_once(
                        count, entries, events=events, emit=emit, kafka=kafka, cores=cores, data=Path(data)
                    )
            runs.setdefault(count, []).append(found)
            say(
                f"round {number + 1}, {count} users: {found['cpu_us_per_event']:.1f} µs an event, "
                f"{found['rss_mb']:.0f} MB"
            )
    return runs


async def _run_once(
    users: int,
    entries: int,
    *,
    events: int,
    emit: str,
    kafka: Mapping[str, Any],
    cores: Cores,
    data: Path,
) -> Result:
    before, after = dict[str, int](), dict[str, int]()

    async def prepare(names: TopicNames) -> None:
        await fill(
            kafka, names, users=users, entries=entries, items=ITEMS, now_ms=time.time_ns() // 1_000_000
        )
        before.update(_sizes(data, names))

    async def finish(names: TopicNames, process: MeasuredProcess) -> None:
        after.update(_sizes(data, names))

    contender = Contender(
        name="worker",
        command=WORKER,
        events=events,
        environment={"MILLSTREAM_EMIT": emit},
        users=users,
        event_bytes=EVENT_BYTES,
    )
    found = await run_once(
        contender, kafka=kafka, cores=cores, changelog=_UNCOMPACTED, prepare=prepare, finish=finish
    )
    return found | {
        f"{name}_changelog_bytes_per_event": (after[name] - before[name]) / events for name in after
    }


def _sizes(data: Path, names: TopicNames) -> dict[str, int]:
    return {
        "history": log_bytes(data, names.history_changelog),
        "lists": log_bytes(data, names.lists_changelog),
    }

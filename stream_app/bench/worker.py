"""The whole worker against a naive Faust agent: the same events, on Apache Kafka, in turn, in one run.

The worker's process has one core, the broker the other. The events are there before it starts. Measured is
from the first recommendation's arrival at the broker to the last's, by the broker's clock, so that neither
start-up nor the commit interval counts. A run counts only where every user's newest event was answered and
every offset committed.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_app.bench.broker_run import (
    PARTITIONS,
    answered,
    check_all_answered,
    new_topics,
    newest_positions,
    pinned_kafka,
    until_committed,
    window_of,
)
from stream_app.bench.processes import Cores, MeasuredProcess, two_cores
from stream_app.bench.workload import Workload, catalogue
from stream_app.brokers.ports import free_port
from stream_app.streaming.sending import send_records
from stream_app.streaming.topics import TopicNames

ITEMS = 10_000
LIMIT_S = 300.0

Result = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A process that answers the events of a topic."""

    name: str
    command: tuple[str, ...]
    events: int
    environment: Mapping[str, str]
    item_ids: Sequence[str] = tuple(catalogue(ITEMS))
    users: int = 100_000
    event_bytes: int = 0


WORKER: tuple[str, ...] = (sys.executable, "-m", "stream_app", "worker")
NAIVE_AGENT: tuple[str, ...] = (sys.executable, "-m", "stream_app.bench.naive_agent")


def bench_worker(
    *,
    events: int = 300_000,
    naive_events: int = 20_000,
    emit: str = "touched",
    rounds: int = 3,
    naive: bool = True,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) and ratios. Raises BenchError where an answer is missing."""
    contenders = [
        Contender(name="worker", command=WORKER, events=events, environment={"MILLSTREAM_EMIT": emit})
    ]
    if naive:
        contenders.append(
            Contender(name="naive_faust", command=NAIVE_AGENT, events=naive_events, environment={})
        )
    runs = run_rounds(contenders, rounds=rounds, say=say)
    results = [{**summary(name, of_one), "emit": emit} for name, of_one in runs.items()]
    speed = {result["name"]: result["events_per_second"] for result in results}
    ratios = {"naive_faust": round(speed["worker"] / speed["naive_faust"], 1)} if naive else {}
    return results, ratios


def run_rounds(contenders: Sequence[Contender], *, rounds: int, say: Say) -> dict[str, list[Result]]:
    """Each contender once, then each again, on one broker: the runs by name. Raises BenchError."""
    return asyncio.run(_rounds(contenders, rounds=rounds, say=say))


async def _nothing(*about: object) -> None:
    return None


async def _rounds(contenders: Sequence[Contender], *, rounds: int, say: Say) -> dict[str, list[Result]]:
    cores = two_cores()
    runs: dict[str, list[Result]] = {contender.name: [] for contender in contenders}
    async with pinned_kafka(cores) as kafka:
        for number in range(rounds):
            for contender in contenders:
                found = await run_once(contender, kafka=kafka, cores=cores)
                runs[contender.name].append(found)
                say(f"round {number + 1}, {contender.name}: {found['events_per_second']:.0f} events/s")
    return runs


async def run_once(
    contender: Contender,
    *,
    kafka: Mapping[str, Any],
    cores: Cores,
    changelog: Mapping[str, str] | None = None,
    prepare: Callable[[TopicNames], Awaitable[None]] = _nothing,
    finish: Callable[[TopicNames, MeasuredProcess], Awaitable[None]] = _nothing,
) -> Result:
    """One run on topics of its own; `prepare` comes before the process, `finish` before its end.

    `changelog` are settings of the changelogs beside their own.
    """
    names = await new_topics(kafka, changelog=changelog)
    workload = Workload(
        events=contender.events,
        users=contender.users,
        item_ids=contender.item_ids,
        event_bytes=contender.event_bytes,
    )
    await send_records(kafka, names.events, workload.records())
    await prepare(names)
    folder = Path(tempfile.mkdtemp(prefix="millstream-bench-"))
    try:
        environment = {**worker_environment(kafka, names, folder), **contender.environment}
        with MeasuredProcess(
            contender.command, core=cores.worker, environment=environment, log=folder / "log"
        ) as process:
            await until_committed(kafka, names, process, limit_s=LIMIT_S)
            await finish(names, process)
        answers = await answered(kafka, names)
        check_all_answered(answers, await newest_positions(kafka, names))
        window = window_of(answers, events=contender.events)
        cpu_s = process.cpu_s_between(window.begin_ms / 1000, window.end_ms / 1000)
        return {
            "events": contender.events,
            "events_per_second": window.events_per_second,
            "recommendations_per_second": window.recommendations / window.seconds,
            "cpu_us_per_event": cpu_s / window.events * 1e6,
            "cpu_us_per_list": cpu_s / window.recommendations * 1e6,
            "rss_mb": process.rss_mb,
            "seconds": window.seconds,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worker_environment(kafka: Mapping[str, Any], names: TopicNames, folder: Path) -> dict[str, str]:
    """The settings of a worker on these topics, with its state in `folder`."""
    return {
        "MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka["bootstrap_servers"],
        "MILLSTREAM_APP_ID": names.app_id,
        "MILLSTREAM_TOPIC_PREFIX": names.prefix,
        "MILLSTREAM_PARTITIONS": str(PARTITIONS),
        "MILLSTREAM_STATE_DIR": str(folder / "state"),
        "MILLSTREAM_REGISTRY": str(folder / "registry"),
        "MILLSTREAM_WEB_PORT": str(free_port()),
        "MILLSTREAM_DEVICE": "cpu",
    }


def summary(name: str, runs: Sequence[Result]) -> Result:
    """The medians of several runs, and each run's speed."""
    medians = {key: round(statistics.median(run[key] for run in runs), 1) for key in runs[0]}
    return {"name": name, **medians, "runs": [round(run["events_per_second"]) for run in runs]}

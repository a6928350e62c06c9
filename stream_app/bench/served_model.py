"""The whole worker with a model, against onnxruntime alone on the same histories in the same batches.

In each round the worker answers the events on its core; then onnxruntime scores, on that core too, the very
histories that the worker's changelog shows, in their order, in batches as large as the worker's were on the
average, encoded beforehand. What is between the two figures is all the rest of a worker: Kafka, JSON, state,
encoding, lists, reasons, outcomes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.bundle.registry import Registry
from models.bundle.verification import bundle_digest
from stream_app.bench.broker_run import pinned_kafka, read_values
from stream_app.bench.processes import BenchError, Cores, MeasuredProcess, two_cores
from stream_app.bench.worker import WORKER, Contender, run_once, summary
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.domain.history import header
from stream_app.domain.messages import ModelAnnouncement
from stream_app.domain.messages import encode as to_json
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from stream_app.settings import Settings
from stream_app.streaming.sending import Outgoing, send_records
from stream_app.streaming.topics import TopicNames

HISTORIES = 8_192

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_served_model(
    bundle: Path,
    *,
    events: int = 60_000,
    emit: str = "touched",
    rounds: int = 3,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results (medians of `rounds`) and ratios for a bundle's folder. Raises BenchError."""
    snapshot = load_snapshot(bundle, device="cpu")
    contender = Contender(
        name="worker_with_model",
        command=WORKER,
        events=events,
        environment={"MILLSTREAM_EMIT": emit},
        item_ids=snapshot.vocabulary.item_ids,
    )
    runs, alone = asyncio.run(_rounds(contender, bundle, snapshot, rounds=rounds, say=say))
    through = summary(contender.name, runs)
    floor = {
        "name": "onnxruntime_alone",
        **{key: round(statistics.median(run[key] for run in alone), 1) for key in alone[0]},
        "runs": [round(run["recommendations_per_second"]) for run in alone],
    }
    pairs = zip(runs, alone, strict=True)
    share = statistics.median(
        ours["recommendations_per_second"] / theirs["recommendations_per_second"] for ours, theirs in pairs
    )
    return [{**through, "emit": emit}, floor], {"onnxruntime_alone": round(share, 2)}


async def _rounds(
    contender: Contender, bundle: Path, snapshot: Snapshot, *, rounds: int, say: Say
) -> tuple[list[Result], list[Result]]:
    cores = two_cores()
    runs, alone = [], []
    async with pinned_kafka(cores) as kafka:
        for number in range(rounds):
            found, floor = await _one_round(contender, bundle, snapshot, kafka=kafka, cores=cores)
            runs.append(found)
            alone.append(floor)
            say(
                f"round {number + 1}: {found['recommendations_per_second']:.0f} lists/s, onnxruntime alone "
                f"{floor['recommendations_per_second']:.0f}, in batches of {found['rows_a_batch']:.1f}"
            )
    return runs, alone


async def _one_round(
    contender: Contender, bundle: Path, snapshot: Snapshot, *, kafka: Mapping[str, Any], cores: Cores
) -> tuple[Result, Result]:
    batch, histories = 0.0, list[bytes]()

    async def announce(names: TopicNames) -> None:
        await send_records(kafka, names.models, [announcement(bundle)])

    async def look(names: TopicNames, process: MeasuredProcess) -> None:
        nonlocal batch
        batch = await asyncio.to_thread(_mean_batch, process)
        histories.extend((await read_values(kafka, names.history_changelog))[-HISTORIES:])

    found = await run_once(contender, kafka=kafka, cores=cores, prepare=announce, finish=look)
    floor = _score_alone(snapshot, histories, batch=round(batch), core=cores.worker)
    return {**found, "rows_a_batch": batch}, floor


def announcement(bundle: Path) -> Outgoing:
    """The record of the `models` topic that makes a worker serve the bundle."""
    message = ModelAnnouncement(
        version=bundle.name,
        uri=Registry(str(bundle.parent)).uri(bundle.name),
        sha256=bundle_digest(bundle),
        role="champion",
        announced_at=time.time_ns() // 1_000_000,
    )
    return Outgoing(Settings.model_fields["channel"].default.encode(), to_json(message), None)


def _mean_batch(process: MeasuredProcess) -> float:
    """The mean rows of a call of onnxruntime, by the worker's own metrics."""
    url = f"http://127.0.0.1:{process.environment['MILLSTREAM_WEB_PORT']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        lines = page.read().decode().splitlines()
    figures = {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }
    batches = figures["millstream_scored_rows_count"]
    if not batches:
        raise BenchError("the worker scored nothing with the model; look at its log")
    return figures["millstream_scored_rows_sum"] / batches


def _score_alone(snapshot: Snapshot, histories: Sequence[bytes], *, batch: int, core: int) -> Result:
    batches: list[ModelInputs] = [
        encode(
            chunk,
            [header(record).newest_ms for record in chunk],
            snapshot.vocabulary,
            max_length=snapshot.scorer.max_length,
            context_fields=snapshot.manifest.context_fields,
        )
        for chunk in (histories[at : at + batch] for at in range(0, len(histories) - batch + 1, batch))
    ]
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        snapshot.scorer.score(batches[0])
        begun, cpu = time.perf_counter(), time.thread_time()
        for inputs in batches:
            snapshot.scorer.score(inputs)
        took, cpu = time.perf_counter() - begun, time.thread_time() - cpu
    finally:
        os.sched_setaffinity(0, allowed)
    rows = len(batches) * batch
    return {
        "recommendations_per_second": rows / took,
        "cpu_us_per_list": cpu / rows * 1e6,
        "rows_a_batch": batch,
    }

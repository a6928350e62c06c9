"""Event sent → recommendation received: at a small load, and at half of what the worker sustains.

The worker has one core; the broker, the generators and the reader share the other. Events have moments that
are set beforehand (see `load_generator`), and the latency of each counts from its moment to the arrival of
the list that answers it at a consumer of another process. Beside it stands what the broker alone takes: such
events at the same rate, from the same generators to the same reader, with no worker between.

What the worker sustains is measured first, in the same run, on a backlog. It is the lists a second: each
event can then have a list of its own. The events a second are more, for a worker that is behind answers a
user once for several.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream_app.bench.broker_run import PARTITIONS, new_topics, pinned_kafka, until_committed
from stream_app.bench.open_loop import EVENT_BYTES, Load, trial
from stream_app.bench.processes import Cores, MeasuredProcess, two_cores
from stream_app.bench.served_model import announcement
from stream_app.bench.worker import ITEMS, LIMIT_S, WORKER, Contender, run_once, worker_environment
from stream_app.bench.workload import Workload, catalogue
from stream_app.streaming.sending import send_records
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import FOR_EVER, Topic, TopicNames

HALF = "half"
_BACKLOG = {True: 30_000, False: 150_000}
"""Events by which the sustainable load is measured, with and without a model."""
_HISTORIES = 20_000
"""Events before the first trial: the users have histories by then."""

Result = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Served:
    """What a worker serves: a model's folder, or None for the fallback; how many items; more settings."""

    bundle: Path | None
    items: int
    environment: Mapping[str, str] = field(default_factory=dict)


def bench_latency(
    bundle: Path | None,
    *,
    items: int | None = None,
    rates: Sequence[float | str] = (100.0, HALF),
    seconds: float = 20.0,
    warm_up_s: float = 5.0,
    delivery: str = "at-least-once",
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results for each rate (events a second, or `half` of the sustainable load) and ratios.

    `bundle` is a model's folder whose items are the first `items` of `workload.catalogue`; None serves the
    fallback. `delivery` is the worker's; the reader reads what is committed. Raises BenchError where an event
    is never answered.
    """
    served = Served(bundle, items or ITEMS, {"MILLSTREAM_DELIVERY": delivery})
    return asyncio.run(_bench(served, rates, seconds=seconds, warm_up_s=warm_up_s, say=say))


def name_of(rate: float | str) -> str:
    """What the result of a rate is called."""
    return "half_load" if rate == HALF else f"at_{rate:g}_per_second"


async def _bench(
    served: Served,
    rates: Sequence[float | str],
    *,
    seconds: float,
    warm_up_s: float,
    say: Say,
) -> tuple[list[Result], dict[str, float]]:
    cores, results = two_cores(), list[Result]()
    async with pinned_kafka(cores) as kafka:
        sustained = 0.0
        if HALF in rates:
            results.append(await sustainable(served, kafka=kafka, cores=cores))
            sustained = results[0]["recommendations_per_second"]
            say(f"sustainable: {sustained:.0f} lists/s")
        async with serving(served, kafka=kafka, cores=cores) as (names, bare, _):
            for rate in rates:
                per_second = sustained / 2 if isinstance(rate, str) else rate
                load = Load(per_second=per_second, seconds=seconds, warm_up_s=warm_up_s, items=served.items)
                found = await _at(load, kafka=kafka, core=cores.broker, names=names, bare=bare)
                results.append({"name": name_of(rate), **found})
                say(f"{name_of(rate)}: p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms")
    return results, {
        f"{result['name']}_over_broker": round(result["p50_ms"] / result["broker_round_trip_p50_ms"], 2)
        for result in results
        if "p50_ms" in result
    }


async def _at(load: Load, *, kafka: Mapping[str, Any], core: int, names: TopicNames, bare: str) -> Result:
    alone = await trial(load, kafka=kafka, core=core, send_to=bare, read_from=bare, kind="events")
    through = await trial(
        load,
        kafka=kafka,
        core=core,
        send_to=names.events,
        read_from=names.recommendations,
        kind="recommendations",
    )
    return {
        "offered_per_second": round(load.per_second, 1),
        "seconds": load.seconds,
        **through,
        "broker_round_trip_p50_ms": alone["p50_ms"],
        "broker_round_trip_p99_ms": alone["p99_ms"],
    }


async def sustainable(served: Served, *, kafka: Mapping[str, Any], cores: Cores) -> Result:
    """What a worker does of a backlog; `recommendations_per_second` is what it sustains."""
    contender = Contender(
        name="sustainable",
        command=WORKER,
        events=_BACKLOG[served.bundle is not None],
        environment=served.environment,
        item_ids=catalogue(served.items),
        event_bytes=EVENT_BYTES,
    )

    async def announce(names: TopicNames) -> None:
        await _announce(served.bundle, kafka, names)

    found = await run_once(contender, kafka=kafka, cores=cores, prepare=announce)
    return {"name": contender.name, **{key: round(value, 1) for key, value in found.items()}}


@asynccontextmanager
async def serving(
    served: Served, *, kafka: Mapping[str, Any], cores: Cores
) -> AsyncIterator[tuple[TopicNames, str, MeasuredProcess]]:
    """A worker whose users have histories; gives its topics, and one that no worker reads."""
    names = await new_topics(kafka)
    bare = f"{names.prefix}bare"
    await create_topics(kafka, [Topic(name=bare, partitions=PARTITIONS, settings=FOR_EVER)])
    await _announce(served.bundle, kafka, names)
    workload = Workload(events=_HISTORIES, item_ids=catalogue(served.items), event_bytes=EVENT_BYTES)
    await send_records(kafka, names.events, workload.records())
    folder = Path(tempfile.mkdtemp(prefix="millstream-bench-"))
    try:
        with MeasuredProcess(
            WORKER,
            core=cores.worker,
            environment={**worker_environment(kafka, names, folder), **served.environment},
            log=folder / "log",
        ) as process:
            await until_committed(kafka, names, process, limit_s=LIMIT_S)
            yield names, bare, process
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _announce(bundle: Path | None, kafka: Mapping[str, Any], names: TopicNames) -> None:
    if bundle is not None:
        await send_records(kafka, names.models, [announcement(bundle)])

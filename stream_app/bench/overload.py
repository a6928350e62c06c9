"""Ten times what a worker sustains, for a minute: what becomes of its memory, its lag and its latency.

What it sustains is measured first (see `latency`): its lists a second, with the model. Then the flood; the
lag is looked at twice a second, the memory all the time. A run counts only where every user's newest event
is answered in the end.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from stream_app.bench import flood
from stream_app.bench.broker_run import (
    PARTITIONS,
    answered,
    check_all_answered,
    lag,
    newest_positions,
    pinned_kafka,
    until_committed,
)
from stream_app.bench.latency import Served, serving, sustainable
from stream_app.bench.open_loop import EVENT_BYTES, USERS, Load, trial
from stream_app.bench.processes import BenchError, MeasuredProcess, two_cores
from stream_app.bench.worker import ITEMS
from stream_app.streaming.topics import TopicNames

_LOOK_EVERY_S = 0.5
_PREPARATION_LIMIT_S = 300.0
_DRAIN_LIMIT_S = 1800.0

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_overload(
    bundle: Path | None,
    *,
    items: int | None = None,
    factor: float = 10.0,
    seconds: float = 60.0,
    probe_s: float = 10.0,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """One result, and ratios of what is after the flood to what was before.

    `bundle` and `items` as in `bench_latency`; the latency before and after is that of 100 events a second
    for `probe_s`. Raises BenchError where an event is never answered, or the flood could not be sent.
    """
    return asyncio.run(_bench(bundle, items or ITEMS, factor, seconds, probe_s, say))


async def _bench(
    bundle: Path | None, items: int, factor: float, seconds: float, probe_s: float, say: Say
) -> tuple[list[Result], dict[str, float]]:
    cores, served = two_cores(), Served(bundle, items)
    probe = Load(per_second=100.0, seconds=probe_s, warm_up_s=3.0, items=items)
    async with pinned_kafka(cores) as kafka:
        sustained = (await sustainable(served, kafka=kafka, cores=cores))["recommendations_per_second"]
        say(f"sustainable: {sustained:.0f} lists/s; {factor:g} times as many events for {seconds:.0f} s")
        async with serving(served, kafka=kafka, cores=cores) as (names, _, process):

            async def latency() -> dict[str, float]:
                return await trial(
                    probe, kafka=kafka, core=cores.broker, send_to=names.events,
                    read_from=names.recommendations, kind="recommendations",
                )  # fmt: skip

            before, rss_before = await latency(), process.rss_mb
            orders = flood.Orders(
                bootstrap_servers=kafka["bootstrap_servers"], topic=names.events, partitions=PARTITIONS,
                per_second=factor * sustained, seconds=seconds, items=items, users=USERS,
                event_bytes=EVENT_BYTES,
            )  # fmt: skip
            async with _watched_lag(kafka, names) as lags:
                flooded = await _flood(orders, core=cores.broker)
                ended = time.monotonic()
                say(f"{flooded.count} events in {flooded.seconds:.0f} s; the lag is {lags[-1]}")
                await until_committed(kafka, names, process, limit_s=_DRAIN_LIMIT_S)
                drained_s = time.monotonic() - ended
            say(f"worked off {drained_s:.0f} s later")
            after, rss_peak = await latency(), process.rss_mb
        check_all_answered(await answered(kafka, names), await newest_positions(kafka, names))
    result = {
        "name": "overload",
        "sustained_per_second": round(sustained, 1),
        "offered_per_second": round(flooded.count / flooded.seconds, 1),
        "seconds": round(flooded.seconds, 1),
        "events": flooded.count,
        "lag_max": max(lags),
        "worked_off_after_s": round(drained_s, 1),
        "rss_before_mb": round(rss_before, 1),
        "rss_peak_mb": round(rss_peak, 1),
        **{f"{key}_before": before[key] for key in ("p50_ms", "p99_ms")},
        **{f"{key}_after": after[key] for key in ("p50_ms", "p99_ms")},
    }
    return [result], {
        "offered_over_sustained": round(result["offered_per_second"] / sustained, 1),
        "memory": round(rss_peak / rss_before, 2),
        "p50": round(after["p50_ms"] / before["p50_ms"], 2),
    }


async def _flood(orders: flood.Orders, *, core: int) -> flood.Flooded:
    with tempfile.TemporaryDirectory(prefix="millstream-bench-") as folder:
        log = Path(folder) / "flood"
        with MeasuredProcess(
            [sys.executable, "-m", "stream_app.bench.flood"],
            core=core,
            environment={flood.ORDERS: msgspec.json.encode(orders).decode()},
            log=log,
        ) as process:
            deadline = time.monotonic() + _PREPARATION_LIMIT_S + 2 * orders.seconds
            while True:
                last = (log.read_text().splitlines() or [""])[-1]
                if last.startswith("{"):
                    return msgspec.json.decode(last, type=flood.Flooded)
                process.check()
                if time.monotonic() > deadline:
                    raise BenchError("the flood was not sent in time; is the machine too busy?")
                await asyncio.sleep(0.1)


@asynccontextmanager
async def _watched_lag(kafka: Mapping[str, Any], names: TopicNames) -> AsyncIterator[list[int]]:
    lags = [0]

    async def watch() -> None:
        while True:
            lags.append(await lag(kafka, names))
            await asyncio.sleep(_LOOK_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield lags
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

"""One trial of an open-loop load: generators that keep to their moments, and a reader of what comes back."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_app.bench import arrivals, load_generator
from stream_app.bench.broker_run import PARTITIONS
from stream_app.bench.processes import BenchError, MeasuredProcess

EVENT_BYTES = 200
USERS = 100_000

_A_GENERATOR_PER_SECOND = 2_000
"""What one generator is trusted with; with a core of its own it could send several times as much."""
_PREPARATION_S = 6.0
"""From the start of the generators to the first event's moment."""
_START_LIMIT_S, _GRACE_S = 60.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Events at `per_second` for `seconds`, after `warm_up_s` at the same rate that do not count."""

    per_second: float
    seconds: float
    warm_up_s: float
    items: int

    @property
    def count(self) -> int:
        """How many events, those of the warm-up included."""
        return math.ceil((self.seconds + self.warm_up_s) * self.per_second)

    def orders(self, *, bootstrap_servers: str, topic: str, begin_ns: int) -> Iterator[load_generator.Orders]:
        """What each generator sends: they take turns, so that together they send evenly."""
        generators = math.ceil(self.per_second / _A_GENERATOR_PER_SECOND)
        gap_ns = 1e9 / self.per_second
        for number in range(generators):
            yield load_generator.Orders(
                bootstrap_servers=bootstrap_servers,
                topic=topic,
                begin_ns=begin_ns + round(number * gap_ns),
                every_ns=round(generators * gap_ns),
                count=len(range(number, self.count, generators)),
                items=self.items,
                users=USERS,
                event_bytes=EVENT_BYTES,
                seed=number,
            )


async def trial(
    load: Load, *, kafka: Mapping[str, Any], core: int, send_to: str, read_from: str, kind: arrivals.Kind
) -> dict[str, float]:
    """Send the load to one topic, and wait for what comes of it on another (or on the same).

    Everything runs on `core`. Raises BenchError where an event is never answered, or a generator fails.
    """
    with ExitStack() as ending:
        folder = Path(ending.enter_context(TemporaryDirectory(prefix="millstream-bench-")))

        def start(module: str, log: Path, orders: msgspec.Struct) -> MeasuredProcess:
            process = MeasuredProcess(
                [sys.executable, "-m", module],
                core=core,
                environment={load_generator.ORDERS: msgspec.json.encode(orders).decode()},
                log=log,
            )
            ending.callback(process.end)
            return process

        patience_s = 2 * _PREPARATION_S + load.seconds + load.warm_up_s + _GRACE_S
        watching = arrivals.Orders(
            bootstrap_servers=kafka["bootstrap_servers"],
            topic=read_from,
            partitions=PARTITIONS,
            kind=kind,
            count=load.count,
            deadline_ns=time.time_ns() + int((_START_LIMIT_S + patience_s) * 1e9),
            file=str(folder / "arrived.npy"),
        )
        reader = start("stream_app.bench.arrivals", folder / "reader", watching)
        await _until(
            lambda: arrivals.READY in (folder / "reader").read_text(), reader, limit_s=_START_LIMIT_S
        )
        begin_ns = time.time_ns() + int(_PREPARATION_S * 1e9)
        orders = load.orders(bootstrap_servers=kafka["bootstrap_servers"], topic=send_to, begin_ns=begin_ns)
        sending = []
        for number, order in enumerate(orders):
            log = folder / f"generator-{number}"
            sending.append((log, start("stream_app.bench.load_generator", log, order)))
        for log, process in sending:
            await _until(lambda log=log: _result(log) is not None, process, limit_s=patience_s)  # type: ignore[misc]
        arrived = Path(watching.file)
        await _until(arrived.exists, reader, limit_s=_START_LIMIT_S + 2 * patience_s)
        sent = [found for log, _ in sending if (found := _result(log)) is not None]
        moments = np.load(arrived)
    if len(moments) < load.count:
        raise BenchError(f"{load.count - len(moments)} of {load.count} events were never answered")
    return {
        **percentiles(moments, from_ns=begin_ns + int(load.warm_up_s * 1e9)),
        "generators": len(sent),
        "generator_late_p99_ms": round(max(one.late_p99_ms for one in sent), 2),
    }


def percentiles(moments: NDArray[np.int64], *, from_ns: int) -> dict[str, float]:
    """p50, p99 and the largest, in ms, of the events whose moment lies at or after `from_ns`.

    `moments` is int64 [events, 2]: to be sent at, answered at.
    """
    counted = moments[moments[:, 0] >= from_ns]
    ms = (counted[:, 1] - counted[:, 0]) / 1e6
    return {
        "p50_ms": round(float(np.percentile(ms, 50)), 2),
        "p99_ms": round(float(np.percentile(ms, 99)), 2),
        "max_ms": round(float(ms.max()), 2),
    }


def _result(log: Path) -> load_generator.Sent | None:
    """What a generator reported as its last line; None before."""
    lines = [line for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    return msgspec.json.decode(lines[-1], type=load_generator.Sent) if lines else None


async def _until(condition: Callable[[], bool], process: MeasuredProcess, *, limit_s: float) -> None:
    """Return when the condition holds. Raises BenchError where the process ends before, or it takes long."""
    deadline = time.monotonic() + limit_s
    while not condition():
        try:
            process.check()
        except BenchError:
            if condition():
                return
            raise
        if time.monotonic() > deadline:
            raise BenchError(
                f"a process of the load was not done after {limit_s:.0f} s; is the machine too busy?"
            )
        await asyncio.sleep(0.1)

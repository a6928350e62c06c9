"""`kill -9` of one of two workers: how long until the other answers the dead one's users.

Both have the state of many users, the other one's as a standby. Events come all the time, on every partition;
the time counts from the kill to the moment at which the last partition is answered again, by the broker's
clock. Most of it is the session, in which the group waits for the dead.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stream_app.bench.broker_run import PARTITIONS, answered, new_topics, pinned_kafka
from stream_app.bench.filled_state import fill
from stream_app.bench.processes import BenchError, Cores, MeasuredProcess, two_cores
from stream_app.bench.worker import ITEMS, WORKER, worker_environment
from stream_app.bench.workload import Workload, catalogue
from stream_app.streaming.sending import send_records
from stream_app.streaming.topics import TopicNames

_ENTRIES = 48
_NOW_MS = 1_700_000_000_000
_STEADY_S = 5.0
_LIMIT_S = 120.0
_EVENTS_EVERY_S = 0.05

Result = dict[str, Any]
Say = Callable[[str], None]


def bench_takeover(
    *,
    users: int = 100_000,
    session_s: float = 6.0,
    rounds: int = 3,
    say: Say = lambda line: None,
) -> tuple[list[Result], dict[str, float]]:
    """Results with a standby and without (medians of `rounds`). Raises BenchError where nobody takes over."""
    runs = asyncio.run(_rounds(users, session_s, rounds, say))
    results = [
        {
            "name": name,
            "users": users,
            "session_s": session_s,
            "take_over_s": round(statistics.median(seconds), 2),
            "after_the_session_s": round(statistics.median(seconds) - session_s, 2),
            "runs": [round(one, 2) for one in seconds],
        }
        for name, seconds in runs.items()
    ]
    return results, {}


async def _rounds(users: int, session_s: float, rounds: int, say: Say) -> dict[str, list[float]]:
    cores, runs = two_cores(), dict[str, list[float]]()
    async with pinned_kafka(cores) as kafka:
        for number in range(rounds):
            for name, standbys in (("with_standby", 1), ("without_standby", 0)):
                names = await new_topics(kafka)
                await fill(
                    kafka,
                    names,
                    users=users,
                    entries=_ENTRIES,
                    items=ITEMS,
                    now_ms=_NOW_MS,
                    lists=True,
                    updates=0,
                )
                settings = {
                    "MILLSTREAM_STANDBY_REPLICAS": str(standbys),
                    "MILLSTREAM_KAFKA_SESSION_TIMEOUT_S": str(session_s),
                }
                took = await _once(kafka, names, settings, cores=cores, session_s=session_s)
                runs.setdefault(name, []).append(took)
                say(f"round {number + 1}, {name}: {took:.2f} s")
    return runs


async def _once(
    kafka: Mapping[str, Any],
    names: TopicNames,
    settings: Mapping[str, str],
    *,
    cores: Cores,
    session_s: float,
) -> float:
    folder = Path(tempfile.mkdtemp(prefix="millstream-bench-"))
    stop = asyncio.Event()
    try:
        with ExitStack() as ending:
            processes = []
            for number in range(2):
                own = folder / str(number)
                own.mkdir()
                process = MeasuredProcess(
                    WORKER,
                    core=cores.worker,
                    environment={**worker_environment(kafka, names, own), **settings},
                    log=own / "log",
                )
                ending.callback(process.end)
                processes.append(process)
                await _until_said(own / "log", "Worker ready", process)
            sending = asyncio.create_task(_keep_sending(kafka, names, stop))
            ending.callback(sending.cancel)
            # Both own partitions by now, and the standbys have what the owners have.
            await asyncio.sleep(session_s + _STEADY_S)
            processes[0].kill()
            killed_ms = time.time() * 1000
            deadline = time.monotonic() + session_s + _LIMIT_S
            while (seconds := _answered_again(await answered(kafka, names), killed_ms, session_s)) is None:
                processes[1].check()
                if time.monotonic() > deadline:
                    raise BenchError("nobody took over")
                await asyncio.sleep(0.5)
            stop.set()
            await sending
            return seconds
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answered_again(answers: Any, killed_ms: float, session_s: float) -> float | None:
    """Seconds from the kill to the first answer, on the partition that waited longest; None before that.

    The dead one's partitions are those that nothing was answered on in the first half of the session.
    """
    first: dict[int, float] = {}
    for answer in answers:
        after_s = (answer.appended_at_ms - killed_ms) / 1000
        if after_s > 0.1:  # what was on its way
            first[answer.partition] = min(first.get(answer.partition, after_s), after_s)
    waited = [after_s for after_s in first.values() if after_s > session_s / 2]
    return max(waited) if len(first) == PARTITIONS and waited else None


async def _keep_sending(kafka: Mapping[str, Any], names: TopicNames, stop: asyncio.Event) -> None:
    part = 0
    while not stop.is_set():
        workload = Workload(events=20, users=1000, item_ids=catalogue(ITEMS), user_exponent=0.1, seed=part)
        await send_records(kafka, names.events, workload.records())
        part += 1
        await asyncio.sleep(_EVENTS_EVERY_S)


async def _until_said(log: Path, words: str, process: MeasuredProcess) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while words not in log.read_text(errors="replace"):
        process.check()
        if time.monotonic() > deadline:
            raise BenchError(f"not ready after {_LIMIT_S:.0f} s")
        await asyncio.sleep(0.1)

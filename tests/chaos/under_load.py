"""Trouble while events flow, and what must hold once all is quiet again."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from stream_app.streaming.topics import DAY_MS
from tests.black_box import check_told_histories
from tests.event_stream import Pair, as_pair, send, some_events, until_settled
from tests.reference import (
    Found,
    check_answers,
    check_histories,
    check_outcomes,
    expected_histories,
    find_everything,
)
from tests.worker_process import WorkerProcess

EVENTS_PER_SECOND = 600
CUT_OFF_SHARE = 0.01
"""What may be judged by a list that its worker stored and could not send, of the few outcomes of a test."""

WINDOW = {"history_limit": 200, "history_days": 180}
"""The defaults of the settings."""
_RECOVERS, _HAS_RECOVERED = "Restoring state from changelog", "Done reading from changelog"


def with_wrong_clocks(events: list[dict[str, Any]], *, seed: int) -> list[dict[str, Any]]:
    """Some come up to 60 days late, some are up to 20 hours ahead."""
    chance = random.Random(seed)
    for event in events:
        kind = chance.random()
        if kind < 0.05:
            event["timestamp"] -= chance.randrange(60 * DAY_MS)
        elif kind < 0.07:
            event["timestamp"] += chance.randrange(20 * DAY_MS // 24)
    return events


@asynccontextmanager
async def events_flowing(worker: WorkerProcess) -> AsyncIterator[None]:
    """Send events at a steady pace while the block lasts; leaves when all of them are in the topic."""
    done = asyncio.Event()

    def events() -> Iterator[Pair]:
        for part in itertools.count():
            if done.is_set():
                return
            few = some_events(50, seed=part, name=f"{part}-")
            yield from map(as_pair, with_wrong_clocks(few, seed=part))

    servers, topic = worker.bootstrap_servers, worker.names.events
    sending = asyncio.create_task(send(servers, topic, events(), per_second=EVENTS_PER_SECOND))
    try:
        yield
        done.set()
        await sending
    finally:
        sending.cancel()


async def until_it_recovers(worker: WorkerProcess) -> None:
    """Wait until the worker, just started, reads a changelog that is not empty."""
    await worker.says(_RECOVERS, times=worker.log.count(_RECOVERS) + 1, limit_s=60)


def has_recovered(worker: WorkerProcess) -> bool:
    """Whether the last recovery that it has begun is over."""
    return _HAS_RECOVERED in worker.log.rpartition(_RECOVERS)[2]


async def freeze_past_its_session(worker: WorkerProcess) -> None:
    """Stop a worker for longer than its group waits; returns when it has joined again."""
    joined = worker.log.count("Worker ready")
    worker.freeze()
    await asyncio.sleep(10)
    worker.thaw()
    await worker.says("Worker ready", times=joined + 1)


async def settle_and_check(worker: WorkerProcess, *, limit_s: float = 60, by_position: bool = False) -> Found:
    """Nothing was lost, nothing applied twice, everybody answered, everything judged once."""
    await until_settled(worker, limit_s=limit_s)
    found = await find_everything(worker, by_position=by_position)
    limit, days = (int(str(worker.settings.get(name, default))) for name, default in WINDOW.items())
    expected = expected_histories(found.source, limit=limit, max_age_ms=days * DAY_MS)
    check_histories(found, expected)
    await check_told_histories(worker, expected)
    check_answers(found, expected)
    exactly_once = worker.settings.get("delivery") == "exactly-once"
    check_outcomes(found, cut_off_share=0.0 if exactly_once else CUT_OFF_SHARE)
    assert not found.dead_letters
    return found

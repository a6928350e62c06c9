"""Trouble while events flow, and what must hold once all is quiet again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.event_stream import send_events, some_events, until_settled
from tests.reference import (
    Found,
    check_answers,
    check_histories,
    check_outcomes,
    expected_histories,
    find_everything,
)
from tests.worker_process import WorkerProcess

EVENTS_PER_SECOND = 1000


@asynccontextmanager
async def events_flowing(worker: WorkerProcess, *, seconds: float, seed: int = 1) -> AsyncIterator[None]:
    """Send events at a steady pace beside the block; leaves when all of them are in the topic."""
    events = some_events(int(EVENTS_PER_SECOND * seconds), seed=seed, name=f"{seed}-")
    sending = asyncio.create_task(send_events(worker, events, per_second=EVENTS_PER_SECOND))
    try:
        yield
        await sending
    finally:
        sending.cancel()


async def settle_and_check(worker: WorkerProcess, *, limit_s: float = 60, by_position: bool = False) -> Found:
    """Nothing was lost, nothing applied twice, everybody answered, everything judged once."""
    await until_settled(worker, limit_s=limit_s)
    found = await find_everything(worker, by_position=by_position)
    expected = expected_histories(found.source)
    check_histories(found, expected)
    check_answers(found, expected)
    check_outcomes(found)
    assert not found.dead_letters
    return found

"""One soak from its start to its verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import DAY_MS, plan
from tests.black_box import check_told_histories
from tests.chaos.soak.faults import SESSION_S, Faults
from tests.chaos.soak.fleet import Fleet, SmallDisk
from tests.chaos.soak.load import HISTORY_DAYS, HISTORY_LIMIT, Load
from tests.chaos.soak.verdict import verdict
from tests.event_stream import until_settled
from tests.reference import Found, expected_histories, find_everything, rejected_places
from tests.worker_process import WorkerProcess

WORKERS = 2
BRIEF_MINUTES = 5
CHUNK_AGE_LIMIT_S = 90


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What is to happen; the same seed gives the same faults and events, though not at the same moments."""

    minutes: float
    seed: int
    emit: str = "touched"
    delivery: str = "at-least-once"
    per_second: float = 400


async def soak(what: Soak, *, folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """Let faults happen to workers while events flow, then count; `folder` is left with the workers' logs.

    Returns the figures and the counter-examples.
    """
    chance = random.Random(what.seed)
    fleet = Fleet(
        count=WORKERS,
        app_id=f"soak-{what.seed}",
        folder=folder,
        settings={
            "history_limit": HISTORY_LIMIT,
            "history_days": HISTORY_DAYS,
            "emit": what.emit,
            "delivery": what.delivery,
            "kafka_session_timeout_s": SESSION_S,
            "chunk_age_limit_s": CHUNK_AGE_LIMIT_S,
            "kafka_wait_s": 60,
        },
        say=say,
    )
    names = fleet.workers[0].names
    disk = SmallDisk(fleet.workers[0].disk)
    if not disk.mounted:
        say("no disk is filled: only root can mount a small one")
    try:
        await fleet.start()
        servers = fleet.broker.bootstrap_servers
        await create_topics({"bootstrap_servers": servers}, plan(names, partitions=4))
        await fleet.all_ready()
        load = Load(bootstrap_servers=servers, topic=names.events, seed=what.seed, per_second=what.per_second)
        sending = asyncio.create_task(load.run())
        faults = Faults(fleet, chance, folder=folder, disk=disk, say=say)
        ends = time.monotonic() + 60 * what.minutes
        while time.monotonic() < ends:
            await faults.one()
            await asyncio.sleep(chance.uniform(0.5, 5))
            if sending.done():
                break
        load.stop()
        await sending
        say(f"all is mended; {load.sent} events were sent")
        await fleet.all_ready()
        await until_settled(fleet.workers[0], limit_s=180)
        # Left-over records of a frozen worker may be the newest while its successor remembers whom it
        # touched. A brief soak does not wait for that, and reads the changelog as a recovery does.
        brief = what.minutes < BRIEF_MINUTES
        if not brief:
            await asyncio.sleep(SESSION_S + CHUNK_AGE_LIMIT_S + 5)
        found = await find_everything(fleet.workers[0], by_position=brief)
        figures, problems = verdict(
            found,
            bad=load.bad,
            limit=HISTORY_LIMIT,
            max_age_ms=HISTORY_DAYS * DAY_MS,
            exactly_once=what.delivery == "exactly-once",
        )
        problems += await _told_otherwise(fleet.workers[0], found)
        about = {
            **asdict(what),
            "kills": faults.kills,
            "faults": dict(faults.done),
            "ended_by_themselves": dict(fleet.ended_by_themselves),
            "not_accepted_by_the_broker": load.refused,
        }
        return {**about, **figures, "counter_examples": len(problems)}, problems
    finally:
        await fleet.stop()
        disk.unmount()


async def _told_otherwise(worker: WorkerProcess, found: Found) -> list[str]:
    """What is wrong with the histories as the command tells them."""
    expected = expected_histories(
        found.source,
        limit=HISTORY_LIMIT,
        max_age_ms=HISTORY_DAYS * DAY_MS,
        bad=rejected_places(found),
    )
    try:
        await check_told_histories(worker, expected)
    except AssertionError as wrong:
        return [str(wrong)[:1000]]
    return []

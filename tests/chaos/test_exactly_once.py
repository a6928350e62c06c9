"""Exactly-once under faults: a reader of committed records sees each trigger and each outcome once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, freeze_past_its_session, settle_and_check
from tests.conftest import MakeWorker
from tests.reference import Found
from tests.worker_process import WorkerProcess

EXACTLY_ONCE = {"delivery": "exactly-once"}


def check_once(found: Found) -> None:
    """No trigger and no outcome twice; histories, answers and outcomes are checked elsewhere."""

    def place(of: dict[str, Any]) -> tuple[int, int]:
        return of["partition"], of["offset"]

    for what, times in (
        ("trigger", Counter(place(one["trigger"]) for one in found.recommendations)),
        ("outcome", Counter(place(one["event"]) for one in found.outcomes)),
    ):
        twice = {key: count for key, count in times.items() if count > 1}
        assert not twice, f"{len(twice)} of {len(times)} {what}s more than once: {list(twice.items())[:5]}"


@pytest.mark.parametrize("emit", ["touched", "each"])
async def test_a_worker_killed_with_and_without_its_disk_says_everything_once(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, emit: str
) -> None:
    worker = make_worker(apache_kafka, settings={**EXACTLY_ONCE, "emit": emit})
    worker.start()
    await worker.ready()
    async with events_flowing(worker):
        for wiped in (False, True):
            await asyncio.sleep(2)
            worker.kill()
            if wiped:
                worker.wipe_disk()
            worker.start()
            await worker.ready()
        await asyncio.sleep(1)
    check_once(await settle_and_check(worker))


async def test_a_frozen_worker_is_fenced_and_goes_on_when_it_is_told(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    first, second = (make_worker(apache_kafka, name=name, settings=EXACTLY_ONCE) for name in ("1st", "2nd"))
    first.start()
    second.start()
    await asyncio.gather(first.ready(), second.ready())
    async with events_flowing(first):
        await asyncio.sleep(2)
        await freeze_past_its_session(first)
        await asyncio.gather(first.ready(), second.ready())
    # Without a second writing: the broker has refused what the frozen one sent.
    check_once(await settle_and_check(second))


async def test_a_broker_killed_within_transactions_leaves_none_half_done(
    frail_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(frail_kafka, settings=EXACTLY_ONCE)
    worker.start()
    await worker.ready()
    async with events_flowing(worker):
        await asyncio.sleep(2)
        frail_kafka.restart()
        await _up(worker)
        await asyncio.sleep(2)
    await _up(worker)
    check_once(await settle_and_check(worker))


async def _up(worker: WorkerProcess) -> None:
    """Ready; started again where it ended, as whatever watches over it would do."""
    while True:
        if not worker.is_running:
            worker.start()
        try:
            await worker.ready()
            return
        except AssertionError:
            if worker.is_running:
                raise

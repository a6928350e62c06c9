"""Two workers on one app: one dies, one leaves, one freezes; rebalances in quick succession."""

from __future__ import annotations

import asyncio

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, settle_and_check
from tests.conftest import MakeWorker


async def test_one_killed_then_one_leaving_lose_and_double_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    first, second = make_worker(apache_kafka, name="first"), make_worker(apache_kafka, name="second")
    first.start()
    second.start()
    await asyncio.gather(first.ready(), second.ready())
    async with events_flowing(first, seconds=12):
        await asyncio.sleep(2)
        first.kill()
        await asyncio.sleep(8)  # the session ends, the second takes over
        first.start()
        await first.ready()
        code, _ = await second.stop()
        assert code == 0
    await settle_and_check(first)


async def test_two_rebalances_within_five_seconds_lose_and_double_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """The end of the first recovery must not end the second: it would serve stale state."""
    workers = [make_worker(apache_kafka, name=name) for name in ("first", "second", "third")]
    first, second, third = workers
    first.start()
    await first.ready()
    async with events_flowing(first, seconds=10):
        await asyncio.sleep(1)
        second.start()
        await second.ready()
        third.start()
        await third.ready()
        # Each of these hands partitions to another worker at once: SIGTERM leaves the group.
        assert (await second.stop())[0] == 0
        await asyncio.sleep(1)
        assert (await third.stop())[0] == 0
    await settle_and_check(first)


async def test_a_worker_frozen_past_its_session_does_no_harm_when_it_wakes(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """It goes on where it stopped, before it learns that it was expelled."""
    first, second = make_worker(apache_kafka, name="first"), make_worker(apache_kafka, name="second")
    first.start()
    second.start()
    await asyncio.gather(first.ready(), second.ready())
    async with events_flowing(first, seconds=14):
        await asyncio.sleep(2)
        first.freeze()
        await asyncio.sleep(10)
        first.thaw()
    await second.ready()
    # Its own late records are written over only some time later.
    await settle_and_check(second, by_position=True)

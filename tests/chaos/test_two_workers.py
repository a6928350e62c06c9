"""Two workers on one app: one dies, one leaves, one freezes; rebalances in quick succession."""

from __future__ import annotations

import asyncio
import signal

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, freeze_past_its_session, settle_and_check
from tests.conftest import MakeWorker


async def test_one_killed_then_one_leaving_lose_and_double_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    first, second = make_worker(apache_kafka, name="first"), make_worker(apache_kafka, name="second")
    first.start()
    second.start()
    await asyncio.gather(first.ready(), second.ready())
    async with events_flowing(first):
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
    async with events_flowing(first):
        await asyncio.sleep(1)
        second.start()
        third.start()
        await asyncio.gather(second.ready(), third.ready())
        await asyncio.sleep(1)  # so that both have written what the first must read
        # SIGTERM leaves the group at once. The third goes as soon as the first has what the second had.
        recoveries = first.log.count("Worker ready")
        second.send(signal.SIGTERM)
        await first.says("Worker ready", times=recoveries + 1)
        third.send(signal.SIGTERM)
        await first.says("Worker ready", times=recoveries + 2)
    assert [await second.ended(), await third.ended()] == [0, 0]
    await settle_and_check(first)


async def test_a_worker_frozen_past_its_session_does_no_harm_when_it_wakes(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """It goes on where it stopped, before it learns that it was expelled."""
    first, second = make_worker(apache_kafka, name="first"), make_worker(apache_kafka, name="second")
    first.start()
    second.start()
    await asyncio.gather(first.ready(), second.ready())
    async with events_flowing(first):
        await asyncio.sleep(2)
        await freeze_past_its_session(first)
        await asyncio.gather(first.ready(), second.ready())
        await asyncio.sleep(1)
    # Its own late records are written over only some time later.
    await settle_and_check(second, by_position=True)


async def test_a_standby_takes_over_with_what_it_has_read_already(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    first, second = (
        make_worker(apache_kafka, name=name, settings={"standby_replicas": 1}) for name in ("first", "second")
    )
    first.start()
    await first.ready()
    async with events_flowing(first):
        await asyncio.sleep(2)
        second.start()
        await second.ready()
        await asyncio.sleep(3)
        taken_over = second.log.count("Worker ready")
        first.kill()
        await second.says("Worker ready", times=taken_over + 1)
        await asyncio.sleep(1)
        # It reads on from where it stood as a standby: the whole changelog of 5 s would be thousands.
        started_at = _reading_starts(second.log)
        first.start()
        await first.ready()
    assert min(started_at.values()) > 100, started_at
    await settle_and_check(second)


def _reading_starts(log: str) -> dict[str, int]:
    """Where the last recovery began to read each history changelog, by partition."""
    table = log.rsplit("active offsets at start of reading:", 1)[1].split("+ \n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines() if "|" in line][1:]
    starts, topic = {}, ""
    for name, partition, offset in rows:
        topic = topic if name == "〃" else name
        if "history" in topic:
            starts[partition] = int(offset)
    return starts

"""`kill -9` of the only worker while events flow, and while it recovers.

On Apache Kafka: a JoinGroup of the embedded broker waits for half a session, and not for the dead.
"""

from __future__ import annotations

import asyncio

import pytest

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, has_recovered, settle_and_check, until_it_recovers
from tests.conftest import MakeWorker
from tests.event_stream import send_events, some_events, until_settled


@pytest.mark.parametrize("disk", ["kept", "lost"])
async def test_a_killed_worker_loses_and_doubles_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, disk: str
) -> None:
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    if disk == "kept":  # something must have reached the disk, and grow old there
        async with events_flowing(worker):
            await asyncio.sleep(1)
        assert (await worker.stop())[0] == 0
        worker.start()
        await worker.ready()
    async with events_flowing(worker):
        await asyncio.sleep(2)
        worker.kill()
        if disk == "lost":
            worker.wipe_disk()
        worker.start()
        await worker.ready()
    await settle_and_check(worker)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("disk", ["kept", "lost"])
async def test_a_worker_killed_again_and_again_while_it_recovers_loses_and_doubles_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, disk: str
) -> None:
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    for part in range(2):  # one half on the disk, the other in memory, to be read from the changelog
        await send_events(worker, some_events(20_000, users=10_000, seed=1000 + part, name=f"fill{part}-"))
        await until_settled(worker)
        if part == 0:
            assert (await worker.stop())[0] == 0
            worker.start()
            await worker.ready()

    def killed() -> None:
        worker.kill()
        if disk == "lost":
            worker.wipe_disk()
        worker.start()

    async with events_flowing(worker):
        await asyncio.sleep(1.5)
        killed()
        amid_recovery = 0
        for _ in range(10):  # a kill may come when the recovery is just over
            await until_it_recovers(worker)
            killed()
            amid_recovery += not has_recovered(worker)
            if amid_recovery == 2:
                break
            # And once more before the group knows of it: a recovery waits for the session of the one before.
            await asyncio.sleep(3)
            killed()
        await worker.ready()
    assert amid_recovery == 2, "it had nearly always recovered before it was killed; fill in more"
    await settle_and_check(worker)

"""`kill -9` of the only worker while events flow."""

from __future__ import annotations

import asyncio

import pytest

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, settle_and_check
from tests.conftest import MakeWorker


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


async def test_a_worker_killed_again_while_it_recovers_loses_and_doubles_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka)
    worker.start()
    await worker.ready()
    async with events_flowing(worker):
        await asyncio.sleep(1.5)
        worker.kill()
        worker.start()
        await asyncio.sleep(4)  # less than the session timeout: the first death is not yet known
        worker.kill()
        worker.wipe_disk()
        worker.start()
        await worker.ready()
    await settle_and_check(worker)

"""`kill -9` while events flow: of the only worker, and of two while they recover."""

from __future__ import annotations

import asyncio
import time

import pytest

from stream_app.brokers import ApacheKafka
from tests.chaos.under_load import events_flowing, has_recovered, settle_and_check, until_it_recovers
from tests.conftest import MakeWorker
from tests.event_stream import send_events, some_events, until_settled
from tests.worker_process import WorkerProcess


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


@pytest.mark.parametrize("disk", ["kept", "lost"])
async def test_workers_killed_again_while_they_recover_lose_and_double_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, disk: str
) -> None:
    # Two, since one alone can recover only when the session of its former life is over. The session is longer
    # than a start takes: both are back in the group before the dead are struck off, and recover at once. On
    # Apache Kafka, since the embedded broker's JoinGroup waits for about half a session and not for the dead.
    settings = {"kafka_session_timeout_s": 12}
    workers = [make_worker(apache_kafka, name=name, settings=settings) for name in ("first", "second")]
    first = workers[0]
    await _start(*workers)
    for part in range(2):  # one half on the disk, the other in memory, to be read from the changelog
        await send_events(first, some_events(20_000, users=10_000, seed=1000 + part, name=f"fill{part}-"))
        await until_settled(first)
        if part == 0:
            assert [(await worker.stop())[0] for worker in workers] == [0, 0]
            await _start(*workers)
    async with events_flowing(first):
        await asyncio.sleep(1.5)
        for worker in workers:
            worker.kill()
            if disk == "lost":
                worker.wipe_disk()
            worker.start()
        killed = await asyncio.gather(*map(_killed_while_it_recovers, workers))
        assert max(killed) - min(killed) < 5
        if disk == "lost":
            for worker in workers:
                worker.wipe_disk()
        await _start(*workers)
    await settle_and_check(first)


async def _start(*workers: WorkerProcess) -> None:
    for worker in workers:
        worker.start()
    await asyncio.gather(*(worker.ready() for worker in workers))


async def _killed_while_it_recovers(worker: WorkerProcess) -> float:
    """Kill the worker, just started, as soon as it reads a changelog; returns when that was."""
    await until_it_recovers(worker)
    worker.kill()
    assert not has_recovered(worker), "it had recovered before it was killed; fill in more"
    return time.monotonic()

"""No broker at the start, a broker killed and back, a frozen one, and SIGTERM while there is none."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

from stream_app.brokers import ApacheKafka
from stream_app.brokers.ports import free_port
from tests.chaos.under_load import events_flowing, settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import send_events, some_events, until_settled
from tests.worker_process import WorkerProcess


async def test_without_a_broker_the_start_waits_says_so_and_gives_up(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    worker = WorkerProcess(
        bootstrap_servers=nobody, app_id="alone", folder=tmp_path, settings={"kafka_wait_s": 3}
    )
    worker.start()
    try:
        assert await worker.ended(limit_s=60) == 1
    finally:
        worker.clean_up()

    pauses = [float(found) for found in re.findall(r"next try in ([\d.]+) s", worker.log)]
    assert len(pauses) >= 3
    assert pauses == sorted(set(pauses)), "the pauses do not grow"
    last = worker.log.splitlines()[-1]
    assert last.startswith(f"millstream: no Kafka broker answered at {nobody} within 3 s")
    assert "MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS" in last
    assert "Traceback" not in worker.log


async def test_the_same_worker_goes_on_when_its_broker_was_killed_and_is_back(
    frail_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(frail_kafka)
    worker.start()
    await worker.ready()
    pid = worker.pid
    async with events_flowing(worker):
        await asyncio.sleep(2)
        frail_kafka.kill()
        said, began = len(worker.log.splitlines()), time.monotonic()
        assert (await worker.not_ready())["missing"] == ["the broker does not answer"]
        lines_per_second = (len(worker.log.splitlines()) - said) / (time.monotonic() - began)
        frail_kafka.start()
        await worker.ready()
    assert worker.pid == pid and worker.is_running
    await settle_and_check(worker)
    assert lines_per_second < 30, "the log is flooded while the broker is away"


async def test_a_worker_is_gone_within_10_s_of_sigterm_though_its_broker_is_down_and_a_chunk_in_flight(
    frail_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(frail_kafka)
    worker.start()
    await worker.ready()
    async with events_flowing(worker):
        try:
            for _ in range(5):  # a broker may be killed between two chunks
                await asyncio.sleep(1)
                frail_kafka.kill()
                await asyncio.sleep(0.5)
                if in_flight := await worker.metric("millstream_chunks_in_flight"):
                    break
                frail_kafka.start()
                await worker.ready()
            assert in_flight, "no chunk was in flight"
            _, seconds = await worker.stop(limit_s=20)
        finally:
            if frail_kafka.pid is None:
                frail_kafka.start()
        worker.start()
        await worker.ready()
    assert seconds <= 10
    await settle_and_check(worker)


async def test_the_watchdog_ends_a_worker_whose_chunk_is_stuck(
    frail_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(frail_kafka, settings={"chunk_age_limit_s": 2})
    worker.start()
    await worker.ready()
    assert frail_kafka.pid is not None
    for _ in range(5):  # a chunk is in flight only for milliseconds: not every freeze meets one
        async with events_flowing(worker):
            await asyncio.sleep(1)
            os.kill(frail_kafka.pid, signal.SIGSTOP)
            frozen = time.monotonic()
            try:
                while worker.is_running and time.monotonic() - frozen < 5:
                    await asyncio.sleep(0.1)
            finally:
                os.kill(frail_kafka.pid, signal.SIGCONT)
        if not worker.is_running:
            break
    assert await worker.ended(limit_s=1) == 1
    assert "millstream: the oldest chunk in flight is" in worker.log.splitlines()[-1]

    worker.start()
    await worker.ready()
    await settle_and_check(worker)


async def test_the_watchdog_ends_a_worker_whose_recovery_is_stuck(
    frail_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """Two lives of one worker, on one disk; the second has less patience."""
    first, second = make_worker(frail_kafka), make_worker(frail_kafka, settings={"recovery_age_limit_s": 5})
    first.start()
    await first.ready()
    await send_events(first, some_events(40_000, users=20_000))
    await until_settled(first)
    assert (await first.stop())[0] == 0
    assert frail_kafka.pid is not None
    for life in range(1, 11):  # all of it may be on its way when the broker freezes
        first.wipe_disk()
        second.start()
        # Opening the databases comes next, and then the question where the changelogs end.
        await second.says("Executing _on_partitions_assigned", times=life)
        os.kill(frail_kafka.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(1)
            if second.log.count("Worker ready") < life:
                assert await second.ended(limit_s=20) == 1
                break
        finally:
            os.kill(frail_kafka.pid, signal.SIGCONT)
        await second.stop()
    assert "millstream: the recovery is" in second.log.splitlines()[-1]

    first.start()
    await first.ready()
    await settle_and_check(first)

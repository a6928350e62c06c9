"""A disk that is full: the worker says so in one line, and nothing is lost."""

from __future__ import annotations

import pytest

from stream_app.brokers import ApacheKafka
from tests.chaos.soak.fleet import SmallDisk
from tests.chaos.under_load import settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import send_events, some_events, until_settled


async def test_a_full_disk_is_one_line_and_loses_nothing(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka)
    disk = SmallDisk(worker.disk)
    if not disk.mounted:
        pytest.skip("only root can mount a small disk")
    try:
        worker.start()
        await worker.ready()
        await send_events(worker, some_events(2000))
        await until_settled(worker)
        disk.fill()

        code, took = await worker.stop()
        assert code == 0
        said = [line for line in worker.log.splitlines() if "No space left on device" in line]
        assert said and all("could not be written out" in line for line in said), said
        assert took < 8  # and was not forced

        worker.start()
        assert await worker.ended() == 1
        last = worker.log.splitlines()[-1]
        assert last.startswith("millstream: ")
        assert "No space left on device" in last
        assert "Traceback" not in worker.log

        disk.free()
        worker.start()
        await worker.ready()
        await send_events(worker, some_events(500, seed=2, name="later-"))
        await settle_and_check(worker)
    finally:
        worker.clean_up()
        disk.unmount()

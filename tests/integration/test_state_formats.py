"""State of a newer version: the worker says so in one line and ends, instead of hanging or guessing."""

from __future__ import annotations

import time

import pytest
from rocksdict import Rdict

from stream_app.brokers import ApacheKafka
from stream_app.streaming.lane.store import BatchStore
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import plan
from tests.chaos.under_load import settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import Pair, read_topic, send, send_events, some_events, until_settled
from tests.worker_process import WorkerProcess

FROM_THE_FUTURE = b"\x09" + bytes(60)


def open_partition(worker: WorkerProcess, table: str) -> Rdict:
    """A table's database of partition 0, of a worker that does not run."""
    (folder,) = worker.disk.rglob(f"{table}-0.db")
    return Rdict(str(folder))  # rocksdict keeps in the folder that it is raw


@pytest.mark.parametrize("table", ["history", "lists"])
async def test_a_changelog_of_a_newer_format_ends_the_start_with_one_line(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, table: str
) -> None:
    worker = make_worker(apache_kafka, partitions=1)
    kafka = {"bootstrap_servers": worker.bootstrap_servers}
    await create_topics(kafka, plan(worker.names, partitions=1))
    changelog = f"{worker.names.app_id}-{table}-changelog"
    records: list[Pair] = [(b"ann", FROM_THE_FUTURE)]
    await send(worker.bootstrap_servers, changelog, records)

    worker.start()
    code = await worker.ended(limit_s=60)

    assert code == 1
    line = worker.log.splitlines()[-1]
    assert line.startswith("millstream: ")
    assert f"{table} format 9 found, this version reads 1; upgrade the worker" in line
    assert "Traceback" not in worker.log


async def test_a_record_of_a_newer_format_met_at_work_ends_the_worker_with_one_line(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """On a warm disk nothing is read at the start: a newer worker had the partition meanwhile."""
    worker = make_worker(apache_kafka, partitions=1)
    worker.start()
    await worker.ready()
    await send_events(worker, some_events(50, users=2))
    await until_settled(worker)
    await worker.stop()
    changelog = await read_topic(worker.bootstrap_servers, worker.names.history_changelog)
    store = open_partition(worker, "history")
    store[b"user-0"] = FROM_THE_FUTURE
    store[BatchStore.offset_key] = str(changelog[-1].offset).encode()  # it has read all of it
    store.close()

    worker.start()
    await worker.ready()
    await send_events(worker, [{"user_id": "user-0", "item_id": "a", "type": "view"}])
    code = await worker.ended()

    assert code == 1
    line = worker.log.splitlines()[-1]
    assert "history format 9 found, this version reads 1; upgrade the worker" in line
    assert "Traceback" not in worker.log


async def test_state_that_is_too_old_to_trust_is_deleted_and_recovered(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka, partitions=1)
    worker.start()
    await worker.ready()
    await send_events(worker, some_events(500))
    await until_settled(worker)
    await worker.stop()
    marks = list(worker.disk.rglob("*current-until"))
    assert len(marks) == 2  # a table each
    assert all(0 <= time.time() - float(mark.read_text()) < 60 for mark in marks)
    for mark in marks:
        mark.write_text(repr(time.time() - 13 * 3600))

    worker.start()
    await worker.ready()

    assert worker.log.count("is 13 h behind: deleted, and recovered") == 2
    await settle_and_check(worker)
    code, _ = await worker.stop()
    assert code == 0
    assert all(time.time() - float(mark.read_text()) < 60 for mark in marks)

"""A topic made anew, truncated or cut: noticed at the start, with the remedy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from stream_app.brokers import ApacheKafka, Broker
from stream_app.streaming.stored_histories import read_histories
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import plan
from tests.command import run_command
from tests.conftest import MakeWorker
from tests.event_stream import as_pair, read_topic, send, send_events, some_events, until_settled
from tests.integration.test_worker_start_and_stop import refusal
from tests.worker_process import MILLSTREAM, WorkerProcess

PARTITIONS = 2


def one_event(number: int, user: str = "ann") -> dict[str, Any]:
    return {"user_id": user, "item_id": f"item-{number}", "type": "click", "event_id": f"one-{number}"}


async def run_over(worker: WorkerProcess, events: list[dict[str, Any]]) -> None:
    """Let a worker apply events, and end."""
    worker.start()
    await worker.ready()
    await send_events(worker, events)
    await until_settled(worker)
    assert (await worker.stop())[0] == 0


async def make_anew(worker: WorkerProcess) -> None:
    """Delete the source topic, and create it again."""
    kafka = {"bootstrap_servers": worker.bootstrap_servers}
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        await admin.delete_topics([worker.names.events])
        while worker.names.events in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    (topic,) = [t for t in plan(worker.names, partitions=PARTITIONS) if t.name == worker.names.events]
    while True:  # the broker deletes the files later than the name
        if await create_topics(kafka, [topic]):
            return
        await asyncio.sleep(0.1)


async def entries(worker: WorkerProcess, user: str) -> int:
    """How long the user's history is, by the changelog."""
    found = await read_histories(
        {"bootstrap_servers": worker.bootstrap_servers}, worker.names.history_changelog, user=user.encode()
    )
    (record,) = found.values()
    return (len(record) - 32) // 16


async def test_a_topic_made_anew_stops_the_start_until_it_is_accepted(
    broker: Broker, make_worker: MakeWorker
) -> None:
    worker = make_worker(broker, partitions=PARTITIONS)
    await run_over(worker, some_events(300, users=20))
    before = await entries(worker, "user-0")
    await make_anew(worker)

    code, line = await refusal(worker)
    assert code == 1
    assert f"{worker.names.events}[" in line and "it ends at 0" in line and "--new-source-epoch" in line

    # As many as before, at the same offsets, of other users: only the epoch tells them from what was applied.
    accepting = make_worker(
        broker, partitions=PARTITIONS, command=[*MILLSTREAM, "--new-source-epoch"], name="accepting"
    )
    await run_over(accepting, [{**e, "user_id": "user-0"} for e in some_events(90, users=20, seed=2)])
    assert await entries(accepting, "user-0") == min(before + 90, 200)

    # Said once is enough, also for the partition that had no event since.
    await run_over(worker, [one_event(1)])
    assert "is a new source" not in worker.log
    assert await entries(worker, "ann") == 1


async def test_a_topic_made_anew_and_filled_again_is_told_by_the_record_that_stands_there(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka, partitions=PARTITIONS)
    await run_over(worker, some_events(100, users=20))
    await make_anew(worker)
    await send_events(worker, some_events(400, users=20, seed=5))
    code, line = await refusal(worker)
    assert code == 1
    assert "another record stands at" in line and "--new-source-epoch" in line


async def test_what_retention_took_before_it_was_read_is_counted(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka, partitions=PARTITIONS)
    await run_over(worker, [one_event(number) for number in range(10)])
    # Nobody reads: 30 more come, and 20 of them are deleted before anybody does.
    servers, source = worker.bootstrap_servers, worker.names.events
    await send(servers, source, [as_pair(one_event(number)) for number in range(10, 40)])
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        ann = {p: await _end(servers, source, p) for p in range(PARTITIONS)}
        (partition,) = [p for p, end in ann.items() if end]
        cut = RecordsToDelete(before_offset=30)
        await admin.delete_records({TopicPartition(source, partition): cut})
    finally:
        await admin.close()
    worker.start()
    await worker.ready()
    line = await worker.says("records were deleted before they were read")
    assert f"{source}[{partition}]: 20 records" in line
    await until_settled(worker)
    assert await entries(worker, "ann") == 20


async def test_a_user_on_two_partitions_is_shown_as_such(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, tmp_path: Path
) -> None:
    """Two producers disagreed about the partitioner: both histories are shown, each with its partition."""
    worker = make_worker(apache_kafka, partitions=PARTITIONS)
    worker.start()
    await worker.ready()
    async with AIOKafkaProducer(bootstrap_servers=worker.bootstrap_servers) as producer:
        for partition in range(PARTITIONS):
            key, value = as_pair(one_event(partition))
            await producer.send_and_wait(worker.names.events, value, key=key, partition=partition)
    await until_settled(worker)
    done = await asyncio.to_thread(
        run_command,
        "history", "ann", "--json",
        folder=tmp_path,
        settings={
            "kafka_bootstrap_servers": worker.bootstrap_servers,
            "app_id": worker.names.app_id,
            "topic_prefix": worker.names.prefix,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(one["partition"] for one in shown) == [0, 1]
    assert all(len(one["entries"]) == 1 for one in shown)


async def _end(servers: str, topic: str, partition: int) -> int:
    return len([record for record in await read_topic(servers, topic) if record.partition == partition])

"""A hot user, and with it a hot partition: the others are not made to wait for it."""

from __future__ import annotations

import json
import random
import time

import pytest

from stream_app.brokers import ApacheKafka
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import plan
from tests.conftest import MakeWorker
from tests.event_stream import as_pair, read_topic, send, send_events, until_settled
from tests.reference import check_answers, expected_histories, find_everything

HOT_EVENTS = 150_000


@pytest.mark.timeout(400)  # much is sent, read and played back
async def test_a_backlog_of_one_user_holds_nobody_else_up(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """All on one partition, and none of them answered yet: events of the others are, in the midst of it."""
    worker = make_worker(apache_kafka)
    kafka = {"bootstrap_servers": worker.bootstrap_servers}
    await create_topics(kafka, plan(worker.names, partitions=4))
    value = json.dumps({"user_id": "hot", "item_id": "item", "type": "view"}).encode()
    await send(worker.bootstrap_servers, worker.names.events, [(b"hot", value)] * HOT_EVENTS)

    worker.start()
    await worker.ready()
    others = [{"user_id": f"other-{number}", "item_id": "item", "type": "view"} for number in range(100)]
    began_ms = time.time_ns() // 1_000_000
    await send_events(worker, others, per_second=100)
    await until_settled(worker)

    found = await find_everything(worker)
    check_answers(found, expected_histories(found.source))
    sent_at = {record.key: (record.partition, record.timestamp) for record in found.source}
    answers = await read_topic(worker.bootstrap_servers, worker.names.recommendations)
    hot_partition = sent_at[b"hot"][0]
    done_ms = max(record.timestamp for record in answers if record.key == b"hot")
    halfway_ms = (began_ms + done_ms) / 2
    answered_ms = [
        record.timestamp
        for record in answers
        if record.partition != hot_partition and sent_at[record.key][1] < halfway_ms
    ]
    assert len(answered_ms) > 10, f"the backlog was gone in {done_ms - began_ms} ms"
    early = sum(moment < done_ms for moment in answered_ms)
    assert early > len(answered_ms) * 0.9, f"{early} of {len(answered_ms)} before the backlog's end"


async def test_the_other_partitions_are_done_before_that_of_a_user_of_30_percent(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    """Nearly half of a backlog lies on one partition then; the others get their turns, and are done first."""
    worker = make_worker(apache_kafka)
    await create_topics({"bootstrap_servers": worker.bootstrap_servers}, plan(worker.names, partitions=4))
    chance = random.Random(30)
    users = ["hot" if chance.random() < 0.3 else f"user-{chance.randrange(5000)}" for _ in range(60_000)]
    pairs = [as_pair({"user_id": user, "item_id": "item", "type": "view"}) for user in users]
    await send(worker.bootstrap_servers, worker.names.events, pairs)

    worker.start()
    await worker.ready()
    await until_settled(worker)

    found = await find_everything(worker)
    check_answers(found, expected_histories(found.source))
    answers = await read_topic(worker.bootstrap_servers, worker.names.recommendations)
    hot_partition = next(record.partition for record in found.source if record.key == b"hot")
    moments = {
        partition: sorted(record.timestamp for record in answers if record.partition == partition)
        for partition in range(4)
    }
    hot_done = moments.pop(hot_partition)[-1]
    for partition, answered in moments.items():
        assert answered[-1] < hot_done, f"partition {partition} waited for the hot user's"

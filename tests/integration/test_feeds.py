from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.brokers import ApacheKafka, Broker
from stream_app.brokers.ports import free_port
from stream_app.streaming.feeds import FeedRecord, TopicFeed
from stream_app.streaming.lane.tansu import is_tansu, true_end_offsets
from stream_app.streaming.sending import Outgoing, send_records
from stream_app.streaming.topic_admin import TopicProblem, create_topics
from stream_app.streaming.topics import LATEST_OF_EACH_KEY, Topic


async def create(kafka: dict[str, Any], name: str, *, partitions: int = 1) -> None:
    await create_topics(kafka, [Topic(name=name, partitions=partitions, settings=LATEST_OF_EACH_KEY)])


@pytest.fixture
async def kafka(broker: Broker, app_id: str) -> AsyncIterator[dict[str, Any]]:
    kafka = {"bootstrap_servers": broker.bootstrap_servers}
    await create(kafka, app_id, partitions=2)
    yield kafka


async def send(kafka: dict[str, Any], topic: str, *records: tuple[bytes, bytes | None]) -> None:
    await send_records(kafka, topic, [Outgoing(key, value, None) for key, value in records])


async def values(feed: TopicFeed) -> dict[bytes, bytes | None]:
    return {record.key: record.value for record in await feed.load(limit_s=20)}


async def take(feed: TopicFeed, count: int) -> list[FeedRecord]:
    taken: list[FeedRecord] = []
    async with asyncio.timeout(20):
        async for record in feed.follow():
            taken.append(record)
            if len(taken) == count:
                break
    return taken


async def test_a_load_has_the_newest_value_of_every_key_and_none_of_a_retired_one(
    kafka: dict[str, Any], app_id: str
) -> None:
    await send(kafka, app_id, *((b"%d" % (i % 500), b"v%d" % i) for i in range(3000)))
    await send(kafka, app_id, (b"7", None))
    feed = TopicFeed(kafka=kafka, topic=app_id)
    try:
        newest = {b"%d" % (i % 500): b"v%d" % i for i in range(2500, 3000)}
        assert await values(feed) == newest | {b"7": None}
    finally:
        await feed.stop()


async def test_an_empty_topic_is_loaded_at_once(kafka: dict[str, Any], app_id: str) -> None:
    feed, started = TopicFeed(kafka=kafka, topic=app_id), time.monotonic()
    try:
        assert await values(feed) == {}
        assert time.monotonic() - started < 5
    finally:
        await feed.stop()


async def test_what_comes_after_the_load_is_followed_retirements_too(
    kafka: dict[str, Any], app_id: str
) -> None:
    await send(kafka, app_id, (b"a", b"1"))
    feed = TopicFeed(kafka=kafka, topic=app_id)
    try:
        assert await values(feed) == {b"a": b"1"}
        await send(kafka, app_id, (b"a", b"2"), (b"a", None), (b"a", b"3"))
        assert [(record.key, record.value) for record in await take(feed, 3)] == [
            (b"a", b"2"),
            (b"a", None),
            (b"a", b"3"),
        ]
    finally:
        await feed.stop()


async def test_two_feeds_of_one_topic_both_see_everything(kafka: dict[str, Any], app_id: str) -> None:
    feeds = [TopicFeed(kafka=kafka, topic=app_id) for _ in range(2)]
    try:
        for feed in feeds:
            await feed.load(limit_s=20)
        await send(kafka, app_id, *((b"%d" % i, b"") for i in range(50)))
        for feed in feeds:
            assert {record.key for record in await take(feed, 50)} == {b"%d" % i for i in range(50)}
    finally:
        for feed in feeds:
            await feed.stop()


async def test_a_missing_topic_is_one_line(kafka: dict[str, Any], app_id: str) -> None:
    feed = TopicFeed(kafka=kafka, topic=f"{app_id}-none")
    try:
        with pytest.raises(
            TopicProblem, match=f"topic {app_id}-none is missing; run millstream topics create"
        ):
            await feed.load(limit_s=5)
    finally:
        await feed.stop()


async def test_a_load_without_a_broker_ends_with_one_line() -> None:
    feed = TopicFeed(kafka={"bootstrap_servers": f"127.0.0.1:{free_port()}"}, topic="items")
    with pytest.raises(TopicProblem, match="topic items could not be read within 2 s"):
        await feed.load(limit_s=2)


async def test_a_broker_killed_and_back_loses_and_doubles_nothing(own_broker: Broker, app_id: str) -> None:
    if not isinstance(own_broker, ApacheKafka):
        pytest.skip("the embedded broker forgets its records when it ends")
    kafka = {"bootstrap_servers": own_broker.bootstrap_servers}
    await create(kafka, app_id)
    await send(kafka, app_id, (b"a", b"1"))
    feed = TopicFeed(kafka=kafka, topic=app_id)
    try:
        await feed.load(limit_s=20)
        following = asyncio.create_task(take(feed, 3))
        await send(kafka, app_id, (b"a", b"2"))
        own_broker.kill()
        await asyncio.sleep(3)
        own_broker.restart()
        await send(kafka, app_id, (b"a", b"3"), (b"a", b"4"))
        assert [record.value for record in await following] == [b"2", b"3", b"4"]
    finally:
        await feed.stop()


async def test_the_true_end_is_known_after_batches_of_many_records(
    kafka: dict[str, Any], app_id: str
) -> None:
    producer = AIOKafkaProducer(**kafka, linger_ms=50)
    await producer.start()
    futures = [await producer.send(app_id, b"", key=b"%d" % i, partition=0) for i in range(100)]
    await asyncio.gather(*futures)
    await producer.stop()
    consumer = AIOKafkaConsumer(**kafka)
    await consumer.start()
    try:
        partitions = [TopicPartition(app_id, number) for number in (0, 1)]
        ends = await consumer.end_offsets(partitions)
        if await is_tansu(kafka):
            assert ends[partitions[0]] < 100, "Tansu has learnt it: the work-around can go"
        true = await true_end_offsets(ends, bootstrap_servers=kafka["bootstrap_servers"])
        assert true == {partitions[0]: 100, partitions[1]: 0}
    finally:
        await consumer.stop()

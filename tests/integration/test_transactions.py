"""Chunks as transactions on a real broker: all of it or nothing, and one owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from stream_app.brokers import ApacheKafka
from stream_app.streaming.fencing import Fence, Superseded
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import Topic
from stream_app.streaming.transactions import ExactlyOnce
from tests.event_stream import committed_offsets

DELETE = {"cleanup.policy": "delete"}


class Owner:
    """A worker as far as its deliveries go; `generation` is what its group told it last."""

    def __init__(self, servers: str, group: str) -> None:
        self.generation = 1
        self.committed: list[int] = []
        self.delivery = ExactlyOnce(
            new_client=lambda transactional_id: AIOKafkaProducer(
                bootstrap_servers=servers, transactional_id=transactional_id, retry_backoff_ms=5
            ),
            group=group,
            fence=Fence(session_timeout_s=2, current_generation=lambda: self.generation),
            committed=lambda tp, offset: self.committed.append(offset),
        )


class Place:
    """Topics for one test, and what a reader of committed records finds there."""

    def __init__(self, kafka: ApacheKafka, app_id: str) -> None:
        self.servers = kafka.bootstrap_servers
        self.group = app_id
        self.source = TP(f"{app_id}-events", 0)
        self.out = f"{app_id}-out"

    async def read(self) -> list[bytes]:
        consumer = AIOKafkaConsumer(
            self.out,
            bootstrap_servers=self.servers,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        async with consumer:
            found: list[Any] = []
            for _ in range(5):
                found += [r.value for rs in (await consumer.getmany(timeout_ms=100)).values() for r in rs]
            return found

    async def committed(self) -> dict[TopicPartition, int]:
        return await committed_offsets(self.servers, self.group, [TopicPartition(*self.source)])


@pytest.fixture
async def place(apache_kafka: ApacheKafka, app_id: str) -> Place:
    place = Place(apache_kafka, app_id)
    topics = [Topic(name=name, partitions=1, settings=DELETE) for name in (place.source.topic, place.out)]
    await create_topics({"bootstrap_servers": place.servers}, topics)
    return place


@pytest.fixture
async def owner(place: Place) -> AsyncIterator[Owner]:
    owner = Owner(place.servers, place.group)
    await owner.delivery.take_over([place.source])
    yield owner
    await owner.delivery.close()


async def test_records_and_offsets_become_visible_together(place: Place, owner: Owner) -> None:
    for number in range(3):
        async with owner.delivery.chunk(place.source, generation=1) as outbox:
            await outbox.send(place.out, 0, [(b"k", b"%d" % number)])
            await outbox.send_one(place.out, key=b"k", value=b"letter %d" % number, headers=[])
            assert await outbox.settle(10 * number)
    assert await place.read() == [b"0", b"letter 0", b"1", b"letter 1", b"2", b"letter 2"]
    assert list((await place.committed()).values()) == [20]
    assert owner.committed == [0, 10, 20]


async def test_nothing_of_a_chunk_that_fails_is_ever_seen(place: Place, owner: Owner) -> None:
    with pytest.raises(ValueError, match="the model"):
        async with owner.delivery.chunk(place.source, generation=1) as outbox:
            await asyncio.gather(*await outbox.send(place.out, 0, [(b"k", b"half")]))
            raise ValueError("the model failed")
    async with owner.delivery.chunk(place.source, generation=1) as outbox:
        await outbox.send(place.out, 0, [(b"k", b"whole")])
        await outbox.settle(5)
    assert await place.read() == [b"whole"]
    assert owner.committed == [5]


async def test_a_successor_ends_the_open_transaction_and_fences_its_owner(place: Place, owner: Owner) -> None:
    successor = Owner(place.servers, place.group)

    async def told_by_the_group() -> None:
        await asyncio.sleep(0.5)
        owner.generation = 2

    telling = asyncio.create_task(told_by_the_group())
    try:
        with pytest.raises(Superseded, match="another worker"):
            async with owner.delivery.chunk(place.source, generation=1) as outbox:
                await asyncio.gather(*await outbox.send(place.out, 0, [(b"k", b"of the frozen")]))
                await successor.delivery.take_over([place.source])
                async with successor.delivery.chunk(place.source, generation=2) as theirs:
                    await theirs.send(place.out, 0, [(b"k", b"of the successor")])
                    await theirs.settle(7)
                await outbox.settle(3)
    finally:
        await telling
        await successor.delivery.close()
    assert await place.read() == [b"of the successor"]
    assert list((await place.committed()).values()) == [7]
    assert owner.committed == []


async def test_a_partition_that_was_not_taken_over_is_left_to_its_owner(place: Place, owner: Owner) -> None:
    with pytest.raises(Superseded, match="not ours"):
        async with owner.delivery.chunk(TP(place.source.topic, 1), generation=1):
            raise AssertionError("there is nothing to send through")

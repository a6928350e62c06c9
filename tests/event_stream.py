"""Events on their way in, and whatever comes out: producing, and reading topics whole."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream_app.streaming.whole_topic import open_reader, read_whole
from tests.worker_process import WorkerProcess

Pair = tuple[bytes | None, bytes | None]
TYPES = ("view", "click", "cart", "purchase", "like", "dislike")


def some_events(
    count: int, *, users: int = 200, items: int = 400, seed: int = 1, name: str = "e"
) -> list[dict[str, Any]]:
    """Events of a few busy and many quiet users; the timestamp tells each from every other."""
    chance = random.Random(seed)
    start_ms = time.time_ns() // 1_000_000 - count - seed * 1_000_000
    return [
        {
            "user_id": f"user-{int(chance.expovariate(4) * users) % users}",
            "item_id": f"item-{int(chance.expovariate(4) * items) % items}",
            "type": chance.choice(TYPES),
            "timestamp": start_ms + number,
            "event_id": f"{name}{number}",
        }
        for number in range(count)
    ]


def as_pair(event: dict[str, Any]) -> Pair:
    return event["user_id"].encode(), json.dumps(event).encode()


async def send(
    bootstrap_servers: str,
    topic: str,
    pairs: Iterable[Pair],
    *,
    per_second: float | None = None,
    **producer_options: Any,
) -> None:
    """Send keys and values, at a pace or as fast as they go; returns when the broker has them all."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **producer_options) as producer:
        began = time.monotonic()
        waiting = []
        for number, (key, value) in enumerate(pairs):
            if per_second is not None:
                ahead_s = number / per_second - (time.monotonic() - began)
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
            waiting.append(await producer.send(topic, value, key=key))
        await asyncio.gather(*waiting)


async def send_events(
    worker: WorkerProcess, events: Sequence[dict[str, Any]], *, per_second: float | None = None
) -> None:
    """Send events to the worker's source topic."""
    await send(worker.bootstrap_servers, worker.names.events, map(as_pair, events), per_second=per_second)


async def read_topic(bootstrap_servers: str, topic: str) -> list[Any]:
    """Every ConsumerRecord of a topic, each partition in order, up to where it ends now."""
    kafka = {"bootstrap_servers": bootstrap_servers}
    consumer = open_reader(kafka)
    await consumer.start()
    try:
        return [r async for records in read_whole(consumer, topic, kafka=kafka) for r in records]
    finally:
        await consumer.stop()


async def read_json(bootstrap_servers: str, topic: str) -> list[dict[str, Any]]:
    """The values of a topic, whole, as JSON."""
    return [json.loads(record.value) for record in await read_topic(bootstrap_servers, topic)]


async def until_settled(worker: WorkerProcess, *, limit_s: float = 60) -> None:
    """Wait until the worker's group has committed every event that the source topic holds by now."""
    servers, source = worker.bootstrap_servers, worker.names.events
    ends: dict[TopicPartition, int] = {}
    for record in await read_topic(servers, source):
        ends[TopicPartition(source, record.partition)] = record.offset + 1
    deadline = time.monotonic() + limit_s
    while True:
        committed = await committed_offsets(servers, worker.app_id, list(ends))
        behind = {tp: end - committed.get(tp, 0) for tp, end in ends.items() if committed.get(tp, 0) < end}
        if not behind:
            return
        assert time.monotonic() < deadline, f"still behind after {limit_s} s: {behind}\n{worker.log[-3000:]}"
        await asyncio.sleep(0.2)


async def committed_offsets(
    bootstrap_servers: str, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, int]:
    """What the group has committed; empty while nobody can be asked."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group, partitions=partitions)
        return {tp: at.offset for tp, at in found.items() if at.offset >= 0}
    except KafkaError:
        return {}
    finally:
        await admin.close()


class Tail:
    """Follows a topic from its beginning and keeps what it has read."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
        )
        self._topic = topic
        self.records: list[Any] = []

    async def __aenter__(self) -> Tail:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> list[Any]:
        """What is new; kept in `records` too."""
        fresh = [r for records in (await self._consumer.getmany(timeout_ms=200)).values() for r in records]
        self.records += fresh
        return fresh

    async def until(self, condition: Any, *, limit_s: float = 30) -> None:
        """Read on until `condition(records)` holds."""
        deadline = time.monotonic() + limit_s
        while not condition(self.records):
            assert time.monotonic() < deadline, (
                f"{self._topic}: not in {limit_s} s; {len(self.records)} records, "
                f"the last one {self.records[-1:]}"
            )
            await self.read()

"""A process that sends far more events than a worker can answer: batches made beforehand, one each tick.

Run as `python -m stream_app.bench.flood`, its orders as JSON in `ORDERS`; its result is a line of JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import defaultdict
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from stream_app.bench.workload import Workload, catalogue
from stream_app.streaming.lane.producer import BatchSender

ORDERS = "MILLSTREAM_BENCH_ORDERS"
TICK_S = 0.05


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `per_second` events for `seconds`."""

    bootstrap_servers: str
    topic: str
    partitions: int
    per_second: float
    seconds: float
    items: int
    users: int
    event_bytes: int
    seed: int = 7


class Flooded(msgspec.Struct, frozen=True, kw_only=True):
    """How many were sent in how many seconds, the broker's acknowledgements included."""

    count: int
    seconds: float


def ticks_of(orders: Orders) -> list[dict[int, list[tuple[bytes, bytes]]]]:
    """The events of each tick, by partition as Kafka's own partitioner has it."""
    count = round(orders.per_second * orders.seconds)
    workload = Workload(
        events=count,
        users=orders.users,
        item_ids=catalogue(orders.items),
        event_bytes=orders.event_bytes,
        seed=orders.seed,
    )
    partitions, partition_of = list(range(orders.partitions)), DefaultPartitioner()
    known: dict[bytes, int] = {}
    ticks: list[dict[int, list[tuple[bytes, bytes]]]] = [
        defaultdict(list) for _ in range(round(orders.seconds / TICK_S))
    ]
    for number, record in enumerate(workload.records()):
        key, value = record.key, record.value
        assert key is not None and value is not None
        if key not in known:
            known[key] = partition_of(key, partitions, partitions)
        ticks[number * len(ticks) // count][known[key]].append((key, value))
    return ticks


async def flood(orders: Orders) -> Flooded:
    """Send it all, each tick at its time or as soon as it can be."""
    ticks = ticks_of(orders)
    producer = AIOKafkaProducer(bootstrap_servers=orders.bootstrap_servers, max_batch_size=900_000)
    sender = BatchSender(lambda: producer)
    async with producer:
        await producer.partitions_for(orders.topic)
        began, count = time.monotonic(), 0
        acknowledgements: list[asyncio.Future[Any]] = []
        for number, tick in enumerate(ticks):
            await asyncio.sleep(max(began + number * TICK_S - time.monotonic(), 0))
            for partition, records in tick.items():
                acknowledgements += await sender.send(orders.topic, partition, records)
                count += len(records)
        await asyncio.gather(*acknowledgements)
        return Flooded(count=count, seconds=time.monotonic() - began)


if __name__ == "__main__":
    result = uvloop.run(flood(msgspec.json.decode(os.environ[ORDERS], type=Orders)))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")

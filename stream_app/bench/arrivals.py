"""A process that notes when each event's answer arrives: a consumer as an application would have it.

Run as `python -m stream_app.bench.arrivals`, its orders as JSON in `ORDERS`. It writes `READY` once it stands
at the topic's end, and when every event was seen, or the time is over, an int64 array [events, 2] to a file:
the moment at which the event was to be sent, and that at which its answer was here, in nanoseconds since the
epoch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

ORDERS = "MILLSTREAM_BENCH_ORDERS"
READY = "arrivals: ready"
_POLL_MS = 200

Kind = Literal["events", "recommendations"]


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to wait for: `count` events, until `deadline_ns` at the latest."""

    bootstrap_servers: str
    topic: str
    partitions: int
    kind: Kind
    count: int
    deadline_ns: int
    file: str


class _Event(msgspec.Struct):
    event_id: str


class _Trigger(msgspec.Struct):
    event_ids: tuple[str, ...]


class _Recommendation(msgspec.Struct):
    trigger: _Trigger


def moments_of(kind: Kind) -> Callable[[bytes], Iterable[int]]:
    """Reads from a message the moments of the events that it stands for or answers."""
    if kind == "events":
        event = msgspec.json.Decoder(_Event).decode
        return lambda value: (int(event(value).event_id),)
    recommendation = msgspec.json.Decoder(_Recommendation).decode
    return lambda value: map(int, recommendation(value).trigger.event_ids)


async def watch(orders: Orders) -> dict[int, int]:
    """When each event was first answered, by its moment."""
    moments = moments_of(orders.kind)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=orders.bootstrap_servers, group_id=None, isolation_level="read_committed"
    )
    arrived: dict[int, int] = {}
    async with consumer:
        partitions = [TopicPartition(orders.topic, number) for number in range(orders.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        print(READY, flush=True)
        while len(arrived) < orders.count and time.time_ns() < orders.deadline_ns:
            found = await consumer.getmany(timeout_ms=_POLL_MS)
            now = time.time_ns()
            for records in found.values():
                for record in records:
                    for moment in moments(record.value):
                        arrived.setdefault(moment, now)
    return arrived


def main() -> None:
    orders = msgspec.json.decode(os.environ[ORDERS], type=Orders)
    arrived = uvloop.run(watch(orders))
    found = np.array(sorted(arrived.items()), dtype=np.int64).reshape(-1, 2)
    # Renamed into place: whoever waits for the file finds it whole.
    unfinished = Path(orders.file + ".part")
    with unfinished.open("wb") as file:
        np.save(file, found)
    unfinished.rename(orders.file)


if __name__ == "__main__":
    main()

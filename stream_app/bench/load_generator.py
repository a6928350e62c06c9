"""A process that sends events at moments that were set beforehand, whatever comes of the ones before.

An event's id is the moment, in nanoseconds since the epoch, at which it was to be sent: a delay of the
generator, of the broker or of the worker counts in full, for this event and for those behind it (no
coordinated omission). Run as `python -m stream_app.bench.load_generator`, its orders as JSON in `ORDERS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import uvloop
from aiokafka import AIOKafkaProducer

from stream_app.bench.workload import Workload, catalogue, sized
from stream_app.domain.messages import Event

ORDERS = "MILLSTREAM_BENCH_ORDERS"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What one generator sends: `count` events, the first at `begin_ns`, then one every `every_ns`."""

    bootstrap_servers: str
    topic: str
    begin_ns: int
    every_ns: int
    count: int
    items: int
    users: int
    event_bytes: int
    seed: int


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """How late events were handed to the producer, in milliseconds after their moment."""

    count: int
    late_p99_ms: float
    late_max_ms: float


class Due(NamedTuple):
    """An event and the moment at which it is to be sent."""

    at_ns: int
    key: bytes
    value: bytes


def due_events(orders: Orders) -> Iterator[Due]:
    """The events in the order of their moments."""
    workload = Workload(
        events=orders.count, users=orders.users, item_ids=catalogue(orders.items), seed=orders.seed
    )
    decode = msgspec.json.Decoder(Event).decode
    for number, record in enumerate(workload.records()):
        at_ns = orders.begin_ns + number * orders.every_ns
        assert record.value is not None
        event = msgspec.structs.replace(
            decode(record.value), timestamp=at_ns // 1_000_000, event_id=str(at_ns)
        )
        yield Due(at_ns, record.key, sized(event, orders.event_bytes))


def pace(events: Sequence[Due], send: Callable[[Due], None]) -> None:
    """Hand every event over at its moment; a thread's sleep keeps to 0.1 ms, a loop's timer to 1 ms."""
    for event in events:
        while (left := event.at_ns - time.time_ns()) > 0:
            time.sleep(left / 1e9)
        send(event)


async def send_all(orders: Orders) -> Sent:
    """Send what was ordered. Raises SystemExit where the first moment has passed before it could begin."""
    events = list(due_events(orders))
    loop, due = asyncio.get_running_loop(), asyncio.Queue[Due]()
    late_ns, acknowledgements = [], []
    producer = AIOKafkaProducer(bootstrap_servers=orders.bootstrap_servers, acks="all")
    async with producer:
        await producer.partitions_for(orders.topic)
        if time.time_ns() > orders.begin_ns:
            raise SystemExit(
                "the generator was not ready at the first event's moment; the machine is too busy"
            )
        pacer = threading.Thread(
            target=pace,
            args=(events, lambda one: loop.call_soon_threadsafe(due.put_nowait, one)),
            daemon=True,
        )
        pacer.start()
        for _ in events:
            event = await due.get()
            late_ns.append(time.time_ns() - event.at_ns)
            acknowledgements.append(await producer.send(orders.topic, event.value, key=event.key))
        await asyncio.gather(*acknowledgements)
    late_ms = np.array(late_ns) / 1e6
    return Sent(
        count=len(events), late_p99_ms=float(np.percentile(late_ms, 99)), late_max_ms=float(late_ms.max())
    )


if __name__ == "__main__":
    result = uvloop.run(send_all(msgspec.json.decode(os.environ[ORDERS], type=Orders)))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")

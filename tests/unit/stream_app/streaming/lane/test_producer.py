"""How a chunk's records leave: in order, in as few batches as they fit in, and never silently lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stream_app.streaming.lane.producer import MAX_RECORD_BYTES, BatchSender, RecordTooLarge


class Batch:
    """aiokafka's batch builder, with room for a hundred bytes."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, key: bytes, value: bytes, timestamp: None) -> object | None:
        if self.values and sum(map(len, self.values)) + len(value) > 100:
            return None
        self.values.append(value)
        return object()

    def record_count(self) -> int:
        return len(self.values)


class Client:
    """aiokafka's producer: the first batch of a call takes longest to be accepted."""

    def __init__(self) -> None:
        self.accepted: list[list[bytes]] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        await asyncio.sleep(0.02 if not self.accepted else 0)
        self.accepted.append(batch.values)
        return asyncio.get_running_loop().create_future()


def pairs(letter: bytes, count: int) -> list[tuple[bytes | None, bytes | None]]:
    return [(b"k", letter * 40) for _ in range(count)]


async def test_batches_of_two_tasks_do_not_overtake_each_other() -> None:
    client = Client()
    sender = BatchSender(lambda: client)  # type: ignore[arg-type, return-value]
    await asyncio.gather(sender.send("t", 0, pairs(b"a", 4)), sender.send("t", 0, pairs(b"b", 4)))
    assert [values[0][:1] for values in client.accepted] == [b"a", b"a", b"b", b"b"]


async def test_there_is_a_future_for_each_batch_and_none_for_nothing() -> None:
    client = Client()
    sender = BatchSender(lambda: client)  # type: ignore[arg-type, return-value]
    assert len(await sender.send("t", 0, pairs(b"a", 5))) == 3
    assert await sender.send("t", 0, []) == []
    assert [len(values) for values in client.accepted] == [2, 2, 1]


async def test_a_record_that_a_broker_would_refuse_is_an_error_before_it_is_sent() -> None:
    client = Client()
    sender = BatchSender(lambda: client)  # type: ignore[arg-type, return-value]
    with pytest.raises(RecordTooLarge, match="1000001 bytes for t exceeds"):
        await sender.send("t", 0, [(b"k", b"x" * MAX_RECORD_BYTES)])
    assert client.accepted == []


async def test_aiokafkas_own_batches_take_any_record_first_and_are_cut_after_it() -> None:
    """What the sender relies on, and what the batches above stand in for."""
    producer = AIOKafkaProducer(max_batch_size=900_000)
    batch = producer.create_batch()
    assert batch.append(key=b"k", value=b"x" * MAX_RECORD_BYTES, timestamp=None) is not None
    assert batch.append(key=b"k", value=b"x", timestamp=None) is None
    assert batch.record_count() == 1

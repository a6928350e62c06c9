"""How a chunk's records leave: in order, in as few batches as they fit in, and never silently lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stream_app.streaming.lane.producer import BatchSender, RecordTooLarge


class Batch:
    """aiokafka's batch builder, with room for a hundred bytes."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, key: bytes, value: bytes, timestamp: None) -> object | None:
        if sum(map(len, self.values)) + len(value) > 100:
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


async def test_a_record_that_fits_nowhere_is_an_error_and_not_a_loss() -> None:
    sender = BatchSender(Client)  # type: ignore[arg-type]
    with pytest.raises(RecordTooLarge, match="101 bytes"):
        await sender.send("t", 0, [(b"", b"x" * 101)])

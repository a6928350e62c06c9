"""How the records of a chunk leave, and what makes them stand: at-least-once, or in one transaction.

At-least-once sends as soon as there is something to send and waits for every acknowledgement; the offsets are
committed afterwards, so that a crash in between replays the chunk. Exactly-once is in `transactions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from faust.types import TP

from stream_app.streaming.fencing import Fence
from stream_app.streaming.lane.producer import BatchSender, Headers

Pair = tuple[bytes | None, bytes | None]
Acknowledgements = list[asyncio.Future[Any]]
Settle = Callable[[Acknowledgements, int], Awaitable[bool]]


class Outbox:
    """Takes the records of one chunk, and remembers what the broker owes an acknowledgement for."""

    def __init__(self, sender: BatchSender, settle: Settle) -> None:
        self._sender = sender
        self._settle = settle
        self._sent: Acknowledgements = []

    async def send(self, topic: str, partition: int, records: Iterable[Pair]) -> Acknowledgements:
        """Send (key, value) pairs in order; the futures resolve to metadata."""
        futures = await self._sender.send(topic, partition, records)
        self._sent += futures
        return futures

    async def send_one(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Send one record with headers, to the partition that its key hashes to."""
        self._sent.append(await self._sender.send_one(topic, key=key, value=value, headers=headers))

    async def settle(self, next_offset: int) -> bool:
        """Return when the broker has all of it; the chunk ends before `next_offset` of its source partition.

        True where it is certain that nobody else has written for the partition since.
        """
        return await self._settle(self._sent, next_offset)


class Delivery(Protocol):
    """One of the two guarantees."""

    atomic: bool
    """A chunk's records become visible together with its offsets, or not at all: one chunk at a time for each
    partition, and nothing of it may be stored before."""

    async def take_over(self, partitions: Collection[TP]) -> None:
        """Before anything is read of partitions of the source: nobody else can write for them any more."""
        ...

    def chunk(self, tp: TP, *, generation: int) -> AbstractAsyncContextManager[Outbox]:
        """An outbox for a chunk of `tp`; what was not settled when it is left does not count."""
        ...

    async def close(self) -> None: ...


class AtLeastOnce:
    """Implements `Delivery`, through the producer that all partitions share."""

    atomic = False

    def __init__(self, sender: BatchSender, *, fence: Fence) -> None:
        self._sender = sender
        self._fence = fence

    async def take_over(self, partitions: Collection[TP]) -> None:
        return None  # nothing keeps a frozen owner from writing; `fencing` mends what it wrote

    @asynccontextmanager
    async def chunk(self, tp: TP, *, generation: int) -> AsyncIterator[Outbox]:
        async def settle(sent: Acknowledgements, next_offset: int) -> bool:
            await asyncio.gather(*sent)
            # Where a successor may have written in between, our newest record does not mean that we have
            # theirs.
            return self._fence.owns(generation)

        yield Outbox(self._sender, settle)

    async def close(self) -> None:
        return None

"""The producer driver, and how a chunk's records leave: whole batches, one future each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.transport.drivers import aiokafka as driver

TRANSACTION_TIMEOUT_MS = 120_000
"""When the broker aborts a transaction that nobody ends; a broker may be gone for a minute meanwhile."""

MAX_RECORD_BYTES = 1_000_000
"""Of key and value together; Kafka's default limit is 1,048,588 for a batch of one."""

Headers = list[tuple[str, bytes]]
OutgoingRecord = tuple[bytes | None, bytes | None, Headers]


class RecordTooLarge(Exception):
    """A record exceeds what a broker takes; whoever makes it has to cut it."""


class LaneProducer(driver.Producer):
    """Waits for every replica; idempotent where the broker can."""

    def _settings_extra(self) -> Mapping[str, Any]:
        idempotent = not getattr(self.app, "broker_is_tansu", False)
        return {**super()._settings_extra(), "acks": "all", "enable_idempotence": idempotent}

    def client(self) -> AIOKafkaProducer:
        """The producer that all partitions share. Raises where Faust has not started it."""
        client: AIOKafkaProducer = self._ensure_producer()
        return client

    def new_transactional_client(self, transactional_id: str) -> AIOKafkaProducer:
        """A producer with the same settings for transactions under an id of its own; not started."""
        settings = {**self._settings_default(), **self._settings_auth(), **self._settings_extra()}
        return AIOKafkaProducer(
            **settings,
            transactional_id=transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            # The first record of a transaction is answered "not yet" as a rule; the default waits for 100 ms.
            retry_backoff_ms=5,
        )


class BatchSender:
    """Sends record lists to partitions through aiokafka's batch interface."""

    def __init__(self, client: Callable[[], AIOKafkaProducer]) -> None:
        self._client = client  # asked for at each send: Faust makes it when it starts
        # aiokafka can reorder batches of one partition that two tasks send at the same time.
        self._locks: dict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(
        self, topic: str, partition: int, records: Iterable[tuple[bytes | None, bytes | None]]
    ) -> list[asyncio.Future[Any]]:
        """Send (key, value) pairs in order; the futures resolve to metadata when the broker has acknowledged.

        Raises RecordTooLarge where a record alone exceeds what a broker takes.
        """
        client = self._client()
        futures = []
        async with self._locks[topic, partition]:
            batch = client.create_batch()
            for key, value in records:
                if (size := len(key or b"") + len(value or b"")) > MAX_RECORD_BYTES:
                    raise RecordTooLarge(
                        f"a record of {size} bytes for {topic} exceeds the {MAX_RECORD_BYTES} that a broker "
                        "takes"
                    )
                if batch.append(key=key, value=value, timestamp=None) is None:
                    futures.append(await client.send_batch(batch, topic, partition=partition))
                    batch = client.create_batch()
                    batch.append(key=key, value=value, timestamp=None)  # an empty batch takes any record
            if batch.record_count():
                futures.append(await client.send_batch(batch, topic, partition=partition))
        return futures

    async def send_one(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Any]:
        """Send one record with headers, to the partition that its key hashes to."""
        future: asyncio.Future[Any] = await self._client().send(topic, value, key=key, headers=headers)
        return future

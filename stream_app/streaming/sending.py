"""Sending many records at a pace: what `replay` and `items load` do."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

_CHUNK_RECORDS = 2000
_BATCH_BYTES = 900_000  # Kafka takes 1,048,588 a request by default
_LONGEST_SLEEP_S = 0.5
_SPEED = re.compile(r"(\d+(?:\.\d+)?)(x|/s)")


class Outgoing(NamedTuple):
    """A record to send; without a timestamp it gets the present one."""

    key: bytes
    value: bytes | None
    timestamp_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast records go out: `times` as fast as they happened, or `per_second`; neither: as they can."""

    times: float | None = None
    per_second: float | None = None

    @classmethod
    def parse(cls, text: str) -> Pace:
        """`max`, `100x` (a hundred times as fast as it happened) or `500/s`. Raises ValueError."""
        if text == "max":
            return cls()
        match = _SPEED.fullmatch(text)
        if match is None or float(match[1]) == 0:
            raise ValueError(
                f"{text} is no speed; it is max, or like 100x (times its own pace), or like 500/s"
            )
        number = float(match[1])
        return cls(times=number) if match[2] == "x" else cls(per_second=number)

    def due_s(self, *, sent: int, elapsed_ms: int) -> float:
        """When, in seconds after the start, a record goes out that is number `sent` (from 0) and happened
        `elapsed_ms` after the first."""
        if self.per_second is not None:
            return sent / self.per_second
        return elapsed_ms / 1000 / self.times if self.times is not None else 0.0


async def send_records(
    kafka: Mapping[str, Any],
    topic: str,
    records: Iterable[Outgoing],
    *,
    pace: Pace = Pace(),
    idempotent: bool = False,
    on_progress: Callable[[int], None] = lambda sent: None,
) -> int:
    """Send every record, each acknowledged, and return how many.

    A key always goes to the partition that Kafka's own clients choose (murmur2); the order of a partition is
    that of `records`. `on_progress` is told how many are acknowledged.

    Raises:
        KafkaError: the broker was away for longer than aiokafka tries, or refused a record.
    """
    producer = AIOKafkaProducer(
        **kafka,
        acks="all",
        enable_idempotence=idempotent,
        max_batch_size=_BATCH_BYTES,
        max_request_size=_BATCH_BYTES,
    )
    await producer.start()
    try:
        partition_of = _partitioner(sorted(await producer.partitions_for(topic)))
        sent, started = 0, time.monotonic()
        for chunk in _due_chunks(records, pace, started):
            if isinstance(chunk, float):
                await asyncio.sleep(chunk)
                continue
            await _send_chunk(producer, topic, chunk, partition_of)
            sent += len(chunk)
            on_progress(sent)
        return sent
    finally:
        await producer.stop()


def _due_chunks(records: Iterable[Outgoing], pace: Pace, started: float) -> Iterator[list[Outgoing] | float]:
    """Chunks of records that are due, and between them how many seconds to wait for the next."""
    chunk: list[Outgoing] = []
    first_ms: int | None = None
    for number, record in enumerate(records):
        if record.timestamp_ms is not None:
            first_ms = record.timestamp_ms if first_ms is None else first_ms
        due_s = pace.due_s(sent=number, elapsed_ms=(record.timestamp_ms or 0) - (first_ms or 0))
        if len(chunk) >= _CHUNK_RECORDS or (chunk and due_s > time.monotonic() - started):
            yield chunk
            chunk = []
        while (wait_s := due_s - (time.monotonic() - started)) > 0:
            yield min(wait_s, _LONGEST_SLEEP_S)
        chunk.append(record)
    if chunk:
        yield chunk


async def _send_chunk(
    producer: AIOKafkaProducer, topic: str, chunk: list[Outgoing], partition_of: Callable[[bytes], int]
) -> None:
    open_batches: dict[int, Any] = {}
    acknowledgements = []
    for key, value, timestamp_ms in chunk:
        partition = partition_of(key)
        while True:
            batch = open_batches.get(partition)
            if batch is None:
                batch = open_batches[partition] = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=timestamp_ms) is not None:
                break
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
            del open_batches[partition]
    for partition, batch in open_batches.items():
        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledgements)


def _partitioner(partitions: list[int]) -> Callable[[bytes], int]:
    """The choice of Kafka's own clients, remembered for each key: murmur2 is slow in Python."""
    choose = DefaultPartitioner()
    chosen: dict[bytes, int] = {}

    def partition_of(key: bytes) -> int:
        partition = chosen.get(key)
        if partition is None:
            partition = chosen[key] = choose(key, partitions, partitions)
        return partition

    return partition_of

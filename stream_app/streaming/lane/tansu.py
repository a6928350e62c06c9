"""The work-arounds for Tansu, the embedded broker. Apache Kafka needs none of this.

Its faults, as of 0.6:
- ListOffsets(latest) answers the base offset of the last batch plus one, so that a reader "to the end" stops
  short; a fetch tells the true high watermark.
- Asking for the metadata of a missing topic creates it, with four partitions.
- InitProducerId v0 is refused: no idempotent producer through aiokafka.
- Offsets for times look at the time of arrival, not at the record's timestamp.
- A fetch that finds nothing looks again only after half of its longest wait.
- A group takes about half the session timeout to form, and memory only grows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

CLUSTER_ID = "tansu_cluster"
"""Tansu's own default; Apache Kafka's are random."""

FETCH_MAX_WAIT_MS = 20

_Partition = TypeVar("_Partition", bound=tuple[Any, ...])
_FETCH_LIMIT_S = 5.0


async def is_tansu(kafka: Mapping[str, Any]) -> bool:
    """True where the broker that aiokafka's arguments `kafka` lead to is Tansu. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        return bool((await admin.describe_cluster()).get("cluster_id") == CLUSTER_ID)
    finally:
        await admin.close()


async def true_end_offsets(
    ends: Mapping[_Partition, int], *, bootstrap_servers: str | Iterable[str]
) -> dict[_Partition, int]:
    """The high watermark of each partition of `ends`, which holds what ListOffsets(latest) says."""
    true = dict(ends)
    asked = {TopicPartition(*partition): partition for partition, end in ends.items() if end and end > 0}
    if not asked:
        return true
    servers = bootstrap_servers if isinstance(bootstrap_servers, str) else list(bootstrap_servers)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        # One fetch from the last known record of each partition; its answer carries the high watermark.
        consumer.assign(list(asked))
        for partition, key in asked.items():
            consumer.seek(partition, ends[key] - 1)
        deadline = time.monotonic() + _FETCH_LIMIT_S
        waiting = set(asked)
        while waiting and time.monotonic() < deadline:
            await consumer.getmany(timeout_ms=100)
            waiting = {partition for partition in waiting if consumer.highwater(partition) is None}
        for partition, key in asked.items():
            true[key] = max(ends[key], consumer.highwater(partition) or 0)
    finally:
        await consumer.stop()
    return true

"""A topic read whole, from its beginning to where it ended when the reading began; without a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.streaming.lane import tansu
from stream_app.streaming.topic_admin import TopicProblem

_POLL_MS = 200


def open_reader(kafka: Mapping[str, Any]) -> AIOKafkaConsumer:
    """A consumer that belongs to no group; start and stop it around `read_whole`."""
    return AIOKafkaConsumer(
        **kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # a topic made anew starts below our position
        isolation_level="read_committed",  # what an exactly-once worker gave up was never said
    )


async def read_whole(
    consumer: AIOKafkaConsumer, topic: str, *, kafka: Mapping[str, Any]
) -> AsyncIterator[list[Any]]:
    """Lists of ConsumerRecords of one partition each; afterwards the consumer stands at the end.

    Raises:
        TopicProblem: no such topic.
        KafkaError: the broker could not be asked.
    """
    if topic not in await consumer.topics():
        raise TopicProblem(f"topic {topic} is missing; run millstream topics create")
    # Assigned and not subscribed: there is no group that could move partitions.
    partitions = [TopicPartition(topic, number) for number in sorted(await _partitions(consumer, topic))]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await end_offsets(consumer, partitions, kafka=kafka)
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
            yield records


async def end_offsets(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, kafka: Mapping[str, Any]
) -> dict[TopicPartition, int]:
    """Where each partition ends, whichever broker is asked. Raises KafkaError."""
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    if await tansu.is_tansu(kafka):
        ends = await tansu.true_end_offsets(ends, bootstrap_servers=kafka["bootstrap_servers"])
    return ends


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The numbers of the topic's partitions; they are known once the consumer has metadata of it."""
    consumer.subscribe([topic])
    try:
        while not (numbers := consumer.partitions_for_topic(topic)):
            await asyncio.sleep(0.02)
        return set(numbers)
    finally:
        consumer.unsubscribe()

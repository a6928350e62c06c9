"""A topic read whole, from its beginning to where it ended when the reading began; without a group."""

from __future__ import annotations

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
    # Subscribing would tell the partitions too, and begin to fetch.
    numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic)
    if not numbers:
        raise TopicProblem(f"topic {topic} is missing; run millstream topics create")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    # Asked before the first fetch is under way: what is asked then waits until that is answered, 0.5 s each.
    ends = await end_offsets(consumer, partitions, kafka=kafka)
    begins = await consumer.beginning_offsets(partitions)
    # Assigned and not subscribed: there is no group that could move partitions.
    consumer.assign(partitions)
    for partition, begin in begins.items():
        consumer.seek(partition, begin)
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

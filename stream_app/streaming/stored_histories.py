"""Histories as the changelog has them: what a worker would recover, read without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_app.domain.history import position
from stream_app.domain.source import SOURCE_KEY
from stream_app.streaming.whole_topic import open_reader, read_whole

PartitionAndUser = tuple[int, bytes]


async def read_histories(
    kafka: Mapping[str, Any], changelog: str, *, user: bytes | None = None
) -> dict[PartitionAndUser, bytes]:
    """The newest record of every user, or of one, by partition and user.

    A user is on one partition unless producers disagree about the partitioner; then all are shown. Where
    records of a user differ in position the higher stays, as it does in a recovery.

    Raises TopicProblem, KafkaError, UnknownFormat.
    """
    consumer = open_reader(kafka)
    await consumer.start()
    try:
        newest: dict[PartitionAndUser, bytes] = {}
        async for records in read_whole(consumer, changelog, kafka=kafka):
            for record in records:
                if record.key != SOURCE_KEY if user is None else record.key == user:
                    _keep_newest(newest, (record.partition, record.key), record.value)
        return newest
    finally:
        await consumer.stop()


def _keep_newest(newest: dict[PartitionAndUser, bytes], place: PartitionAndUser, value: bytes | None) -> None:
    if value is None:
        newest.pop(place, None)
        return
    old = newest.get(place)
    if old is None or position(value) >= position(old):
        newest[place] = value

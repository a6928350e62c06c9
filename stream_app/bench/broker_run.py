"""A benchmark on Apache Kafka: the broker on its core, topics for each run, and what was answered when."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream_app.bench.processes import BenchError, Cores, MeasuredProcess, pin
from stream_app.brokers import ApacheKafka
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import TopicNames, plan
from stream_app.streaming.whole_topic import open_reader, read_whole

PARTITIONS = 4
_LOOK_EVERY_S = 0.2


@asynccontextmanager
async def pinned_kafka(cores: Cores, *, data: Path | None = None) -> AsyncIterator[dict[str, Any]]:
    """Apache Kafka on its core, its files in `data` or in a folder that goes; gives aiokafka's arguments."""
    broker = ApacheKafka(data=data)
    await asyncio.to_thread(broker.start)
    try:
        assert broker.pid is not None
        pin(broker.pid, cores.broker)
        yield {"bootstrap_servers": broker.bootstrap_servers}
    finally:
        broker.stop()


async def new_topics(kafka: Mapping[str, Any], *, changelog: Mapping[str, str] | None = None) -> TopicNames:
    """Topics that no other run uses; `changelog` are settings of the changelogs beside their own.

    The broker's clock stamps the recommendations, when it appends them.
    """
    tag = f"bench-{uuid.uuid4().hex[:8]}"
    names = TopicNames(app_id=tag, prefix=f"{tag}-")
    more = {
        names.recommendations: {"message.timestamp.type": "LogAppendTime"},
        **dict.fromkeys(names.changelogs, changelog or {}),
    }
    topics = [
        replace(topic, settings={**topic.settings, **more.get(topic.name, {})})
        for topic in plan(names, partitions=PARTITIONS)
    ]
    await create_topics(kafka, topics)
    return names


async def end_offsets(kafka: Mapping[str, Any], topic: str) -> dict[int, int]:
    """Where each partition of a topic ends."""
    async with _reader(kafka) as reader:
        ends = await reader.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
        return {partition.partition: end for partition, end in ends.items()}


async def until_committed(
    kafka: Mapping[str, Any], names: TopicNames, process: MeasuredProcess, *, limit_s: float
) -> None:
    """Return when the group has committed every event. Raises BenchError when it takes too long or ends."""
    ends = await end_offsets(kafka, names.events)
    deadline = time.monotonic() + limit_s
    async with _admin(kafka) as admin:
        while True:
            process.check()
            done = await _committed(admin, names)
            if all(done.get(partition, 0) >= end for partition, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{sum(done.values())} of {sum(ends.values())} events done after {limit_s:.0f} s"
                )
            await asyncio.sleep(_LOOK_EVERY_S)


async def lag(kafka: Mapping[str, Any], names: TopicNames) -> int:
    """How many events the group has not committed yet."""
    async with _admin(kafka) as admin:
        done = await _committed(admin, names)
    ends = await end_offsets(kafka, names.events)
    return sum(max(end - done.get(partition, 0), 0) for partition, end in ends.items())


@asynccontextmanager
async def _admin(kafka: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _committed(admin: AIOKafkaAdminClient, names: TopicNames) -> dict[int, int]:
    """The offsets of the events' partitions; empty while nobody can be asked."""
    committed = {}
    with suppress(KafkaError):  # the broker's first group waits for the topic of the groups
        committed = await admin.list_consumer_group_offsets(names.app_id)
    return {tp.partition: at.offset for tp, at in committed.items() if tp.topic == names.events}


async def read_values(kafka: Mapping[str, Any], topic: str) -> list[bytes]:
    """The values of a topic, partition by partition as they came."""
    async with _reader(kafka) as reader:
        return [
            record.value async for records in read_whole(reader, topic, kafka=kafka) for record in records
        ]


class _Trigger(msgspec.Struct):
    offset: int


class _Answer(msgspec.Struct):
    user_id: str
    trigger: _Trigger


class Answered(NamedTuple):
    """A recommendation as the broker has it."""

    partition: int
    user: str
    offset: int
    appended_at_ms: int


@dataclass
class Window:
    """From the first recommendation's arrival at the broker to the last's, and what was done between."""

    begin_ms: int = 0
    end_ms: int = 0
    events: int = 0
    recommendations: int = 0
    events_before: dict[int, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return (self.end_ms - self.begin_ms) / 1000

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds


async def answered(kafka: Mapping[str, Any], names: TopicNames) -> list[Answered]:
    """Every recommendation of a run."""
    decode = msgspec.json.Decoder(_Answer).decode
    found = []
    async with _reader(kafka) as reader:
        async for records in read_whole(reader, names.recommendations, kafka=kafka):
            for record in records:
                answer = decode(record.value)
                found.append(
                    Answered(record.partition, answer.user_id, answer.trigger.offset, record.timestamp)
                )
    return found


async def newest_positions(kafka: Mapping[str, Any], names: TopicNames) -> dict[tuple[int, str], int]:
    """The offset of each user's last event, by partition and user."""
    newest: dict[tuple[int, str], int] = {}
    async with _reader(kafka) as reader:
        async for records in read_whole(reader, names.events, kafka=kafka):
            for record in records:
                newest[record.partition, record.key.decode()] = record.offset
    return newest


def check_all_answered(answers: Iterable[Answered], newest: Mapping[tuple[int, str], int]) -> None:
    """Raise BenchError unless the newest position of every user was answered: losing is no way to be fast."""
    last: dict[tuple[int, str], int] = {}
    for answer in answers:
        key = answer.partition, answer.user
        last[key] = max(answer.offset, last.get(key, -1))
    missing = [key for key, offset in newest.items() if last.get(key) != offset]
    if missing:
        raise BenchError(f"{len(missing)} of {len(newest)} users have no list for their newest event")


def window_of(answers: Iterable[Answered], *, events: int) -> Window:
    """What was done between the first answer's arrival and the last's.

    What had been answered by then at the first arrival, a chunk or an event, is left out of the count.
    """
    answers = list(answers)
    window = Window(
        begin_ms=min(answer.appended_at_ms for answer in answers),
        end_ms=max(answer.appended_at_ms for answer in answers),
    )
    before = window.events_before
    for answer in answers:
        if answer.appended_at_ms <= window.begin_ms:
            before[answer.partition] = max(before.get(answer.partition, 0), answer.offset + 1)
        else:
            window.recommendations += 1
    window.events = events - sum(before.values())
    return window


@asynccontextmanager
async def _reader(kafka: Mapping[str, Any]) -> AsyncIterator[Any]:
    reader = open_reader(kafka)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()

"""Topics on a broker: waiting for it, creating them, checking them before a worker starts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from stream_app.streaming.topics import Topic, TopicNames

_ALREADY_EXISTS = 36
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0


class NoBroker(Exception):
    """No Kafka broker answered in time."""


class TopicProblem(Exception):
    """A topic is missing, could not be made, or is not as a worker needs it."""


@dataclass(frozen=True, kw_only=True)
class FoundTopic:
    """A topic as it is; what is None the broker does not tell."""

    name: str
    partitions: int
    cleanup: str | None
    retention_ms: int | None = None
    max_message_bytes: int | None = None


async def await_broker(
    kafka: Mapping[str, Any], *, limit_s: float = 30.0, say: Callable[[str], None] = lambda line: None
) -> None:
    """Return once a broker answers; try again with growing pauses until then.

    `kafka` holds aiokafka's arguments; `say` gets one line for each failed attempt.

    Raises:
        NoBroker: none after `limit_s`.
    """
    servers = kafka["bootstrap_servers"]
    started, pause_s = time.monotonic(), _FIRST_PAUSE_S
    with _quiet_aiokafka():
        while True:
            left_s = limit_s - (time.monotonic() - started)
            try:
                async with asyncio.timeout(max(left_s, 1.0)), _admin(kafka):
                    return
            except (KafkaError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            left_s = limit_s - (time.monotonic() - started)
            if left_s <= pause_s:
                raise NoBroker(
                    f"no Kafka broker answered at {servers} within {limit_s:.0f} s ({reason}); "
                    "start one (millstream broker) or set MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS"
                )
            say(f"no Kafka broker at {servers} yet; next try in {pause_s:.2g} s, giving up in {left_s:.0f} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def create_topics(kafka: Mapping[str, Any], topics: Sequence[Topic]) -> list[str]:
    """Create what is missing of `topics` and return the names of those; existing ones stay as they are.

    Raises:
        TopicProblem: the broker refused one.
        KafkaError: the broker could not be asked.
    """
    created = []
    async with _admin(kafka) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if not missing:
            return []
        answer = await admin.create_topics([_new(topic) for topic in missing])
        for name, code, *words in answer.topic_errors:
            if code and code != _ALREADY_EXISTS:
                reason = (words[0] if words else None) or for_code(code).__name__
                raise TopicProblem(f"topic {name} could not be created: {reason}; create it, or ask who may")
            created.append(name)
        await _await_listed(admin, created)
    return created


async def find_topics(kafka: Mapping[str, Any], names: Sequence[str]) -> dict[str, FoundTopic]:
    """Those of `names` that exist, as they are. Raises KafkaError when the broker could not be asked."""
    async with _admin(kafka) as admin:
        # Never ask for a topic that may be missing: some brokers create it then.
        there = set(await admin.list_topics())
        names = [name for name in names if name in there]
        if not names:
            return {}
        partitions = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(names)}
        settings = await _settings_of(admin, names)
        return {
            name: FoundTopic(
                name=name,
                partitions=partitions[name],
                cleanup=settings[name].get("cleanup.policy"),
                retention_ms=_number(settings[name], "retention.ms"),
                max_message_bytes=_number(settings[name], "max.message.bytes"),
            )
            for name in names
        }


async def prepare_topics(kafka: Mapping[str, Any], names: TopicNames, topics: Sequence[Topic]) -> list[str]:
    """Create what is missing of `topics`, once what is there was found to fit; the names of the new ones.

    Raises:
        TopicProblem: one has another number of partitions, or settings that a worker would lose data by.
        KafkaError: the broker could not be asked.
    """
    found = await find_topics(kafka, [topic.name for topic in topics])
    there = [topic for topic in topics if topic.name in found]
    # Before anything is created: else it is created in the wrong size, and has to be deleted again.
    if problem := first_problem(names, there, found):
        raise TopicProblem(problem)
    created = await create_topics(kafka, topics)
    await check_topics(kafka, names, topics)
    return created


async def until_one_vanishes(
    kafka: Mapping[str, Any], names: Collection[str], *, every_s: float = 5.0
) -> str:
    """Look now and then; returns the name of a topic that was missing twice in a row.

    A broker that does not answer says nothing of its topics, and is asked again.
    """
    before: set[str] = set()
    while True:
        with suppress(KafkaError, OSError):
            async with _admin(kafka) as admin:
                while True:
                    missing = set(names) - set(await admin.list_topics())
                    if gone := sorted(missing & before):
                        return gone[0]
                    before = missing
                    await asyncio.sleep(every_s)
        await asyncio.sleep(every_s)


async def check_topics(kafka: Mapping[str, Any], names: TopicNames, topics: Sequence[Topic]) -> None:
    """Refuse to go on with topics that a worker would lose data on or hang with.

    Raises:
        TopicProblem: one is missing, has another number of partitions, or another cleanup policy.
        KafkaError: the broker could not be asked.
    """
    found = await find_topics(kafka, [topic.name for topic in topics])
    problem = first_problem(names, topics, found)
    if problem:
        raise TopicProblem(problem)


def first_problem(names: TopicNames, topics: Sequence[Topic], found: Mapping[str, FoundTopic]) -> str | None:
    """The first thing that is wrong with the topics `found`, with its remedy; None when all is well."""
    for topic in topics:
        there = found.get(topic.name)
        if there is None:
            return f"topic {topic.name} is missing; run millstream topics create"
        if there.cleanup not in (None, topic.cleanup):  # "compact,delete" would forget users, too
            alter = f"kafka-configs --alter --topic {topic.name} --add-config cleanup.policy={topic.cleanup}"
            return (
                f"topic {topic.name} has cleanup.policy={there.cleanup}, and {topic.cleanup} is needed; "
                f"set it ({alter})"
            )
        needed = int(topic.settings.get("max.message.bytes", 0))
        if there.max_message_bytes is not None and there.max_message_bytes < needed:
            alter = f"kafka-configs --alter --topic {topic.name} --add-config max.message.bytes={needed}"
            return (
                f"topic {topic.name} has max.message.bytes={there.max_message_bytes}, and {needed} is needed "
                f"for what comes uncompressed; set it ({alter})"
            )
    by_user = [topic for topic in topics if topic.name not in (names.items, names.models, names.dead_letters)]
    source = found.get(names.events)
    for topic in by_user:
        there = found[topic.name]
        if source is not None and there.partitions != source.partitions:
            return (
                f"topic {topic.name} has {there.partitions} partitions and {names.events} has "
                f"{source.partitions}; they must be equal: delete {topic.name} and run millstream topics "
                "create, or start under another MILLSTREAM_APP_ID"
            )
        if there.partitions != topic.partitions:
            return (
                f"topic {topic.name} has {there.partitions} partitions and {topic.partitions} were expected; "
                f"set MILLSTREAM_PARTITIONS={there.partitions}"
            )
    return None


@asynccontextmanager
async def _admin(kafka: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@contextmanager
def _quiet_aiokafka() -> Iterator[None]:
    """aiokafka logs an error of its own for each attempt; ours says it once, with the remedy."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _new(topic: Topic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=topic.replication_factor,
        topic_configs=dict(topic.settings),
    )


def _number(settings: Mapping[str, str], name: str) -> int | None:
    return int(settings[name]) if name in settings else None


async def _await_listed(admin: AIOKafkaAdminClient, names: Sequence[str], *, limit_s: float = 10.0) -> None:
    """Creation is answered before every broker knows of it."""
    deadline = time.monotonic() + limit_s
    while not set(names) <= set(await admin.list_topics()):
        if time.monotonic() > deadline:
            raise TopicProblem(
                f"topics {', '.join(names)} were created and do not appear; look at the broker"
            )
        await asyncio.sleep(0.05)


async def _settings_of(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Of every topic its settings; empty where we may not ask, and what cannot be seen is not checked."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    settings: dict[str, dict[str, str]] = {name: {} for name in names}
    for answer in await admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            if code == 0:
                # A broker that lists only what was set deletes where nothing was.
                settings[name] = {"cleanup.policy": "delete", **{key: value for key, value, *_ in entries}}
    return settings

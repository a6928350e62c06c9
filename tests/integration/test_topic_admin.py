from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stream_app.brokers import Broker, EmbeddedBroker
from stream_app.brokers.ports import free_port
from stream_app.streaming.lane.tansu import is_tansu
from stream_app.streaming.topic_admin import (
    NoBroker,
    TopicProblem,
    _settings_of,
    await_broker,
    check_topics,
    create_topics,
    find_topics,
    prepare_topics,
)
from stream_app.streaming.topics import TopicNames, plan


@pytest.fixture
def kafka(broker: Broker) -> dict[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


@pytest.fixture
def names(app_id: str) -> TopicNames:
    return TopicNames(app_id=app_id, prefix=f"{app_id}-")


async def topics_on(kafka: dict[str, Any]) -> set[str]:
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_created_topics_are_as_planned_and_pass_the_check(
    kafka: dict[str, Any], names: TopicNames
) -> None:
    topics = plan(names, partitions=3)
    assert await create_topics(kafka, topics) == [topic.name for topic in topics]
    found = await find_topics(kafka, [topic.name for topic in topics])
    for topic in topics:
        assert (found[topic.name].partitions, found[topic.name].cleanup) == (topic.partitions, topic.cleanup)
    assert found[names.events].retention_ms == -1
    assert found[names.recommendations].retention_ms == 7 * 86_400_000
    await check_topics(kafka, names, topics)


async def test_every_planned_setting_is_on_the_broker(names: TopicNames, apache_kafka: Broker) -> None:
    kafka = {"bootstrap_servers": apache_kafka.bootstrap_servers}
    topics = plan(names, partitions=1)
    await create_topics(kafka, topics)
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        found = await _settings_of(admin, [topic.name for topic in topics])
    finally:
        await admin.close()
    for topic in topics:
        assert topic.settings
        assert {key: found[topic.name].get(key) for key in topic.settings} == dict(topic.settings), topic.name


async def test_creating_again_leaves_what_is_there_as_it_is(kafka: dict[str, Any], names: TopicNames) -> None:
    topics = plan(names, partitions=2)
    await create_topics(kafka, [replace(topics[0], partitions=5)])
    assert topics[0].name not in await create_topics(kafka, topics)
    assert await create_topics(kafka, topics) == []
    assert (await find_topics(kafka, [topics[0].name]))[topics[0].name].partitions == 5


async def test_a_wrong_topic_is_one_line_with_its_remedy(kafka: dict[str, Any], names: TopicNames) -> None:
    topics = plan(names, partitions=2)
    wrong = [
        replace(topic, settings={"cleanup.policy": "delete"})
        if topic.name == names.history_changelog
        else topic
        for topic in topics
    ]
    await create_topics(kafka, wrong)
    with pytest.raises(TopicProblem, match=rf"{names.history_changelog} has cleanup.policy=delete") as caught:
        await check_topics(kafka, names, topics)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("which", ["history_changelog", "lists_changelog"])
async def test_a_changelog_of_another_size_than_the_source_is_one_line_with_its_remedy(
    kafka: dict[str, Any], names: TopicNames, which: str
) -> None:
    topics, changelog = plan(names, partitions=2), getattr(names, which)
    wrong = [replace(topic, partitions=3) if topic.name == changelog else topic for topic in topics]
    await create_topics(kafka, wrong)
    words = rf"{changelog} has 3 partitions and {names.events} has 2; .*delete {changelog} and run millstream"
    with pytest.raises(TopicProblem, match=words) as caught:
        await check_topics(kafka, names, topics)
    assert "\n" not in str(caught.value)


async def test_a_missing_topic_is_told_and_not_made_by_asking(
    kafka: dict[str, Any], names: TopicNames
) -> None:
    assert await find_topics(kafka, [names.events]) == {}
    with pytest.raises(TopicProblem, match=f"topic {names.events} is missing; run millstream topics create"):
        await check_topics(kafka, names, plan(names, partitions=2))
    assert names.events not in await topics_on(kafka)


async def test_a_topic_that_the_broker_refuses_is_told(names: TopicNames, apache_kafka: Broker) -> None:
    kafka = {"bootstrap_servers": apache_kafka.bootstrap_servers}
    with pytest.raises(TopicProblem, match=f"topic {names.events} could not be created: .*replication"):
        await create_topics(kafka, plan(names, partitions=1, replication_factor=3))


async def test_the_embedded_broker_is_told_from_apache_kafka(kafka: dict[str, Any], broker: Broker) -> None:
    assert await is_tansu(kafka) == isinstance(broker, EmbeddedBroker)


async def test_a_broker_that_is_there_is_not_waited_for(kafka: dict[str, Any]) -> None:
    said: list[str] = []
    await await_broker(kafka, limit_s=5, say=said.append)
    assert said == []


async def test_no_broker_is_told_after_tries_with_growing_pauses() -> None:
    servers, said = f"127.0.0.1:{free_port()}", []
    started = time.monotonic()
    with pytest.raises(NoBroker, match=f"no Kafka broker answered at {servers} within 2 s") as caught:
        await await_broker({"bootstrap_servers": servers}, limit_s=2, say=said.append)
    assert time.monotonic() - started < 4
    assert "start one (millstream broker) or set MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS" in str(caught.value)
    assert ["0.25 s" in said[0], "0.5 s" in said[1], "1 s" in said[2]] == [True] * 3


async def test_a_broker_that_comes_late_is_found() -> None:
    late = EmbeddedBroker()

    def start_at_the_second_line(line: str) -> None:
        if late.pid is None and "0.5 s" in line:
            late.start()

    try:
        await await_broker(
            {"bootstrap_servers": late.bootstrap_servers}, limit_s=10, say=start_at_the_second_line
        )
        assert late.pid is not None
    finally:
        late.stop()


async def test_nothing_is_created_where_events_have_another_size(
    kafka: dict[str, Any], names: TopicNames
) -> None:
    events = next(topic for topic in plan(names, partitions=5) if topic.name == names.events)
    await create_topics(kafka, [events])
    with pytest.raises(
        TopicProblem, match="has 5 partitions and 3 were expected; set MILLSTREAM_PARTITIONS=5"
    ):
        await prepare_topics(kafka, names, plan(names, partitions=3))
    assert names.recommendations not in await topics_on(kafka)
    await prepare_topics(kafka, names, plan(names, partitions=5))
    assert names.recommendations in await topics_on(kafka)

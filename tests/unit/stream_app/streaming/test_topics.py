from __future__ import annotations

from dataclasses import replace

import pytest

from stream_app.streaming.topic_admin import FoundTopic, first_problem
from stream_app.streaming.topics import TopicNames, plan

NAMES = TopicNames(app_id="shop", prefix="eu.")
PLAN = {topic.name: topic for topic in plan(NAMES, partitions=6, replication_factor=3)}


def found() -> dict[str, FoundTopic]:
    """Topics on a broker, all as they should be."""
    return {
        name: FoundTopic(
            name=name,
            partitions=topic.partitions,
            cleanup=topic.cleanup,
            max_message_bytes=int(topic.settings.get("max.message.bytes", 1_048_588)),
        )
        for name, topic in PLAN.items()
    }


def test_the_prefix_goes_before_shared_topics_and_the_app_id_before_changelogs() -> None:
    assert set(PLAN) == {
        "eu.events",
        "eu.items",
        "eu.recommendations",
        "eu.recommendation-outcomes",
        "eu.events-dead-letter",
        "eu.models",
        "shop-history-changelog",
        "shop-lists-changelog",
    }


def test_what_is_keyed_by_user_has_as_many_partitions_as_events() -> None:
    by_user = {name for name, topic in PLAN.items() if topic.partitions == 6}
    assert by_user == {NAMES.events, NAMES.recommendations, NAMES.outcomes, *NAMES.changelogs}


def test_the_cleanup_is_that_of_the_contract() -> None:
    compacted = {name for name, topic in PLAN.items() if topic.cleanup == "compact"}
    assert compacted == {NAMES.items, NAMES.models, *NAMES.changelogs}


def test_changelogs_are_compacted_soon_and_events_are_kept() -> None:
    segments = [
        PLAN[name].settings["segment.bytes"] for name in (NAMES.history_changelog, NAMES.lists_changelog)
    ]
    assert segments == [str(4 * 1024**2), str(1024**2)]
    for name in NAMES.changelogs:
        assert PLAN[name].settings["min.cleanable.dirty.ratio"] == "0.2"
        assert PLAN[name].settings["compression.type"] == "zstd"
        assert PLAN[name].settings["max.compaction.lag.ms"] == "600000"
    assert PLAN[NAMES.events].settings["retention.ms"] == "-1"
    assert PLAN[NAMES.dead_letters].settings["max.message.bytes"] == str(16 * 1024**2)


def test_every_topic_has_the_copies_that_were_asked_for() -> None:
    assert {topic.replication_factor for topic in PLAN.values()} == {3}


def test_topics_as_planned_have_no_problem() -> None:
    assert first_problem(NAMES, list(PLAN.values()), found()) is None


def test_a_cleanup_that_the_broker_does_not_tell_is_no_problem() -> None:
    topics = {name: replace(topic, cleanup=None) for name, topic in found().items()}
    assert first_problem(NAMES, list(PLAN.values()), topics) is None


@pytest.mark.parametrize("name", list(PLAN))
def test_a_missing_topic_is_named_with_the_command_that_makes_it(name: str) -> None:
    topics = found()
    del topics[name]
    problem = first_problem(NAMES, list(PLAN.values()), topics)
    assert problem == f"topic {name} is missing; run millstream topics create"


@pytest.mark.parametrize(
    ("name", "cleanup"),
    [
        (NAMES.history_changelog, "delete"),
        (NAMES.lists_changelog, "compact,delete"),
        (NAMES.events, "compact"),
        (NAMES.items, "delete"),
    ],
)
def test_another_cleanup_is_refused(name: str, cleanup: str) -> None:
    topics = found()
    topics[name] = replace(topics[name], cleanup=cleanup)
    problem = first_problem(NAMES, list(PLAN.values()), topics)
    assert problem is not None
    assert problem.startswith(
        f"topic {name} has cleanup.policy={cleanup}, and {PLAN[name].cleanup} is needed"
    )


@pytest.mark.parametrize("name", [NAMES.recommendations, NAMES.outcomes, *NAMES.changelogs])
def test_another_number_of_partitions_than_the_source_is_refused(name: str) -> None:
    topics = found()
    topics[name] = replace(topics[name], partitions=5)
    problem = first_problem(NAMES, list(PLAN.values()), topics)
    assert problem is not None
    assert f"topic {name} has 5 partitions and eu.events has 6" in problem


def test_a_source_with_another_number_of_partitions_names_the_setting() -> None:
    topics = {
        name: replace(topic, partitions=12 if topic.partitions == 6 else 1) for name, topic in found().items()
    }
    problem = first_problem(NAMES, list(PLAN.values()), topics)
    assert problem is not None
    assert problem.endswith("set MILLSTREAM_PARTITIONS=12")


def test_items_may_have_any_number_of_partitions() -> None:
    topics = found()
    topics[NAMES.items] = replace(topics[NAMES.items], partitions=9)
    assert first_problem(NAMES, list(PLAN.values()), topics) is None


def test_a_dead_letter_topic_that_takes_less_than_a_default_kafka_sends_is_a_problem() -> None:
    topics = found()
    topics[NAMES.dead_letters] = replace(topics[NAMES.dead_letters], max_message_bytes=1_048_588)
    problem = first_problem(NAMES, list(PLAN.values()), topics)
    assert problem is not None and "max.message.bytes=16777216" in problem and NAMES.dead_letters in problem
    unknown = replace(topics[NAMES.dead_letters], max_message_bytes=None)
    assert first_problem(NAMES, list(PLAN.values()), {**topics, NAMES.dead_letters: unknown}) is None


def test_what_was_retired_is_remembered_for_years() -> None:
    for name in (NAMES.items, NAMES.models):
        assert int(PLAN[name].settings["delete.retention.ms"]) > 5 * 365 * 86_400_000

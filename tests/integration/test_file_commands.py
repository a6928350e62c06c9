from __future__ import annotations

import json
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.brokers import Broker
from stream_app.streaming.sending import Outgoing, send_records
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import Topic, TopicNames, plan
from tests.command import answer_of, run_command

START_MS = 1_000_000_000_000
LOG = [
    {
        "user_id": f"u{i % 7}",
        "item_id": f"i{i % 5}",
        "rating": float(i % 5 + 1),
        "timestamp": START_MS + 60_000 * i,
    }
    for i in range(200)
]
Run = Callable[..., Any]


@pytest.fixture
def settings(broker: Broker, app_id: str) -> dict[str, object]:
    return {
        "kafka_bootstrap_servers": broker.bootstrap_servers,
        "app_id": app_id,
        "topic_prefix": f"{app_id}-",
        "partitions": 3,
    }


@pytest.fixture
def run(settings: dict[str, object], tmp_path: Path) -> Run:
    """Runs a command with these settings in a folder with the log in it."""
    pl.DataFrame(LOG[::-1]).write_parquet(tmp_path / "log.parquet")

    def run(*arguments: object) -> Any:
        return run_command(*arguments, folder=tmp_path, settings=settings)

    return run


@pytest.fixture
async def topics(broker: Broker, app_id: str) -> None:
    """The topics of these settings."""
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    await create_topics({"bootstrap_servers": broker.bootstrap_servers}, plan(names, partitions=3))


@pytest.fixture
async def records_of(broker: Broker, app_id: str) -> AsyncIterator[Callable[..., Any]]:
    async def read(topic: str, count: int) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = 3 if topic == "events" else 1
            consumer.assign([TopicPartition(f"{app_id}-{topic}", number) for number in range(partitions)])
            records: list[Any] = []
            deadline = time.monotonic() + 15
            while len(records) < count and time.monotonic() < deadline:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
            return records
        finally:
            await consumer.stop()

    yield read


@pytest.mark.usefixtures("topics")
async def test_a_replay_sends_every_event_in_its_own_time(run: Run, records_of: Callable[..., Any]) -> None:
    answer = answer_of(run("replay", "log.parquet", "--json"))
    assert (answer["events"], answer["rejected"]) == (200, {})
    records = await records_of("events", 200)
    assert sorted(record.timestamp for record in records) == [row["timestamp"] for row in LOG]
    by_user: dict[bytes, list[int]] = {}
    for record in records:
        by_user.setdefault(record.key, []).append(record.timestamp)
        assert record.value.startswith(b'{"user_id":"' + record.key + b'"')
    assert all(times == sorted(times) for times in by_user.values())


@pytest.mark.usefixtures("topics")
async def test_a_user_is_on_the_partition_that_kafkas_own_clients_choose(
    run: Run, records_of: Callable[..., Any], broker: Broker, app_id: str
) -> None:
    answer_of(run("replay", "log.parquet", "--json"))
    ours = {record.key: record.partition for record in await records_of("events", 200)}
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    try:
        theirs = {
            key: (await producer.send_and_wait(f"{app_id}-events", b"", key=key)).partition for key in ours
        }
    finally:
        await producer.stop()
    assert ours == theirs
    assert len(set(ours.values())) > 1


@pytest.mark.usefixtures("topics")
async def test_a_part_of_a_replay_is_a_fraction_and_a_number(
    run: Run, records_of: Callable[..., Any]
) -> None:
    answer = answer_of(
        run("replay", "log.parquet", "--from", "0.5", "--to", "0.9", "--limit", "10", "--json")
    )
    assert answer["events"] == 10
    records = await records_of("events", 10)
    assert sorted(record.timestamp for record in records) == [row["timestamp"] for row in LOG[100:110]]


@pytest.mark.usefixtures("topics")
async def test_the_speed_is_kept(run: Run, records_of: Callable[..., Any]) -> None:
    answer = answer_of(run("replay", "log.parquet", "--limit", "20", "--speed", "600x", "--json"))
    assert 1.9 <= answer["seconds"] < 6  # 19 minutes 600 times as fast
    answer = answer_of(run("replay", "log.parquet", "--limit", "20", "--speed", "10/s", "--json"))
    assert 1.9 <= answer["seconds"] < 6
    assert len(await records_of("events", 40)) == 40


@pytest.mark.usefixtures("topics")
async def test_bad_rows_are_counted_by_reason_and_the_rest_is_sent(
    run: Run, records_of: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text(
        "user_id,item_id,timestamp,type\n007,a,1700000000000,click\nu,a,1700000000,view\nu,,1700000000000,view\n"
        "u,a,1700000000001,buy\nu,b,1700000000000,like\n"
    )
    done = run("replay", "bad.csv", "--json")
    answer = answer_of(done)
    assert answer["events"] == 2
    assert {name: entry["count"] for name, entry in answer["rejected"].items()} == {
        "timestamp": 1,
        "item_id": 1,
        "type": 1,
    }
    assert "rejected 1 for timestamp (first: row 2: " in done.stderr
    assert {record.key for record in await records_of("events", 2)} == {b"007", b"u"}


@pytest.mark.usefixtures("topics")
async def test_items_are_loaded_by_their_ids(
    run: Run, records_of: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "items.jsonl").write_text(
        '{"item_id": "a", "title": "A"}\n{"title": "none"}\n{"item_id": "b"}\n'
    )
    answer = answer_of(run("items", "load", "items.jsonl", "--json"))
    assert (answer["items"], answer["rejected"]["item_id"]["count"]) == (2, 1)
    records = await records_of("items", 2)
    assert [(record.key, record.value) for record in records] == [
        (b"a", b'{"item_id":"a","title":"A"}'),
        (b"b", b'{"item_id":"b"}'),
    ]


@pytest.mark.usefixtures("topics")
async def test_a_published_data_set_is_sent_as_it_comes(
    run: Run, records_of: Callable[..., Any], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "7::1::5::978300760\n7::2::3::978300761\n8::1::2::97830\n8::1")
        movies = "1::Toy Story (1995)::Animation\n2::Cité (1995)::\n"
        archive.writestr("ml-1m/movies.dat", movies.encode("latin-1"))
    done = run("replay", "ml.zip", "--json")
    answer = answer_of(done)
    assert (answer["events"], answer["rejected"]["timestamp"]["count"]) == (2, 2)
    assert "(first: row 3: " in done.stderr
    events = sorted(await records_of("events", 2), key=lambda record: record.timestamp)
    assert [json.loads(record.value)["type"] for record in events] == ["like", "view"]
    assert [record.timestamp for record in events] == [978300760000, 978300761000]

    assert answer_of(run("items", "load", "ml.zip", "--json"))["items"] == 2
    items = [json.loads(record.value) for record in await records_of("items", 2)]
    assert items == [
        {"item_id": "1", "title": "Toy Story (1995)", "categories": ["Animation"]},
        {"item_id": "2", "title": "Cité (1995)"},
    ]
    for command in (("replay", "empty"), ("items", "load", "empty")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        done = run(*command)
        assert done.returncode == 1
        assert "of a known data set in it; name the file" in done.stderr and done.stderr.count("\n") == 1


def test_without_its_topic_a_file_command_fails_with_the_remedy(
    run: Run, app_id: str, tmp_path: Path
) -> None:
    (tmp_path / "items.jsonl").write_text('{"item_id": "a"}\n')
    for command, topic in (
        (("replay", "log.parquet"), "events"),
        (("items", "load", "items.jsonl"), "items"),
    ):
        done = run(*command)
        assert done.returncode == 1
        assert done.stderr == f"millstream: topic {app_id}-{topic} is missing; run millstream topics create\n"


async def test_old_events_are_not_sent_where_they_would_be_dropped(
    run: Run, broker: Broker, app_id: str
) -> None:
    week = {"cleanup.policy": "delete", "retention.ms": "604800000"}
    topic = Topic(name=f"{app_id}-events", partitions=3, settings=week)
    await create_topics({"bootstrap_servers": broker.bootstrap_servers}, [topic])
    done = run("replay", "log.parquet")
    assert done.returncode == 1
    assert "set retention.ms=-1" in done.stderr
    assert done.stderr.count("\n") == 1


def test_topics_are_listed_as_they_are(run: Run, app_id: str) -> None:
    before = answer_of(run("topics", "list", "--json"))["topics"]
    assert not any(row["exists"] for row in before)
    answer_of(run("topics", "create", "--json"))
    rows = {row["name"]: row for row in answer_of(run("topics", "list", "--json"))["topics"]}
    events = rows[f"{app_id}-events"]
    assert (events["exists"], events["partitions"], events["cleanup"]) == (True, 3, "delete")
    assert rows[f"{app_id}-history-changelog"]["cleanup"] == "compact"
    again = answer_of(run("topics", "create", "--json"))
    assert (again["created"], len(again["existing"])) == ([], 8)


async def test_a_batch_too_large_for_one_request_is_split(broker: Broker, app_id: str) -> None:
    kafka = {"bootstrap_servers": broker.bootstrap_servers}
    await create_topics(kafka, [Topic(name=app_id, partitions=1, settings={"cleanup.policy": "delete"})])
    progress: list[int] = []
    large = [Outgoing(b"k", bytes(300_000), START_MS + i) for i in range(20)]
    assert await send_records(kafka, app_id, large, on_progress=progress.append) == 20
    assert progress[-1] == 20

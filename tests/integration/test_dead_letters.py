"""`millstream dead-letters`: what is shown, and what is put back, once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stream_app.brokers import ApacheKafka, Broker, EmbeddedBroker
from stream_app.domain.messages import MAX_VALUE_BYTES
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import TopicNames, plan
from tests.command import MILLSTREAM, answer_of, environment, run_command
from tests.conftest import MakeWorker
from tests.event_stream import Pair, read_topic, send, until_settled

Run = Callable[..., Any]
GOOD = {"user_id": "ann", "item_id": "tea", "type": "click"}


def settings_for(broker: Broker, app_id: str) -> dict[str, object]:
    return {
        "kafka_bootstrap_servers": broker.bootstrap_servers,
        "app_id": app_id,
        "topic_prefix": f"{app_id}-",
        "partitions": 4,
    }


def pair(key: str | None = "ann", **fields: Any) -> Pair:
    event = {name: value for name, value in {**GOOD, **fields}.items() if value is not None}
    return key.encode() if key is not None else None, json.dumps(event).encode()


async def with_letters(
    make_worker: MakeWorker, broker: Broker, pairs: Callable[[], list[Pair]]
) -> TopicNames:
    """Let a worker turn bad events into dead letters, and end."""
    worker = make_worker(broker)
    worker.start()
    await worker.ready()
    await send(worker.bootstrap_servers, worker.names.events, pairs())
    await until_settled(worker)
    await worker.stop()
    return worker.names


async def test_letters_are_listed_shown_mended_and_put_back_once(
    broker: Broker, make_worker: MakeWorker, app_id: str, tmp_path: Path
) -> None:
    soon = 0

    def pairs() -> list[Pair]:
        nonlocal soon
        soon = time.time_ns() // 1_000_000 + 86_400_000 + 5_000
        junk = b"ann", b"\xff\x00 not JSON"
        return [pair(), pair(key=None, item_id="cup"), pair(type="clock"), junk, pair(timestamp=soon)]

    names = await with_letters(make_worker, broker, pairs)

    def run(*arguments: object) -> Any:
        return run_command(*arguments, folder=tmp_path, settings=settings_for(broker, app_id))

    listed = answer_of(await asyncio.to_thread(run, "dead-letters", "list", "--json"))
    assert listed["count"] == 4
    assert listed["by_field"] == {"key": 1, "type": 1, "value": 1, "timestamp": 1}
    by_field = {letter["field"]: letter for letter in listed["letters"]}
    text = (await asyncio.to_thread(run, "dead-letters", "list", "--reason", "type")).stdout
    assert "1 dead letters (type 1)" in text and by_field["type"]["place"] in text

    junk = by_field["value"]["place"]
    shown = answer_of(await asyncio.to_thread(run, "dead-letters", "show", junk, "--json"))
    assert shown["value"] == "\\xff\x00 not JSON" and shown["source"].startswith(f"{names.events}[")
    await asyncio.sleep(max(0.0, (soon - 86_400_000) / 1000 - time.time()))

    dry = answer_of(await asyncio.to_thread(run, "dead-letters", "replay", "--dry-run", "--json"))
    assert (dry["replayed"], sum(dry["still_bad"].values())) == (1, 3)  # the time of one has come
    mended = tmp_path / "mended.jsonl"
    line = {"place": by_field["type"]["place"], "value": {**GOOD, "item_id": "mended"}}
    mended.write_text(json.dumps(line) + "\n\n")
    for expected in (1, 0):
        done = answer_of(await asyncio.to_thread(run, "dead-letters", "replay", "--from", mended, "--json"))
        assert (done["replayed"], done["already_replayed"]) == (expected, 1 - expected)
    done = answer_of(await asyncio.to_thread(run, "dead-letters", "replay", "--key-from-value", "--json"))
    assert (done["replayed"], done["already_replayed"]) == (2, 1)
    assert len(done["still_bad"]) == 1

    items = Counter(
        json.loads(r.value)["item_id"] for r in await read_topic(broker.bootstrap_servers, names.events)
        if r.key == b"ann" and r.value.startswith(b"{")
    )  # fmt: skip
    assert items["mended"] == 1 and items["cup"] == 1
    # Its time is that of its first coming: the event says none of its own.
    cups = [r for r in await read_topic(broker.bootstrap_servers, names.events) if b'"cup"' in r.value]
    assert len(cups) == 2 and cups[0].timestamp == cups[1].timestamp
    listed = answer_of(await asyncio.to_thread(run, "dead-letters", "list", "--json"))
    assert (listed["count"], listed["replayed"]) == (4, 3)

    # And the worker reads on, past what transactions leave in the topic.
    worker = make_worker(broker, name="again")
    worker.start()
    await worker.ready()
    await until_settled(worker)


async def test_a_replay_killed_in_its_midst_and_run_again_puts_everything_back_once(
    apache_kafka: ApacheKafka, app_id: str, tmp_path: Path
) -> None:
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    servers = apache_kafka.bootstrap_servers
    await create_topics({"bootstrap_servers": servers}, plan(names, partitions=4))
    count = 3000
    await _put_letters(servers, names, count)
    environ = environment(settings_for(apache_kafka, app_id))
    command = [MILLSTREAM, "dead-letters", "replay", "--key-from-value", "--json"]
    killed_within = 0
    for _ in range(20):
        process = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL)
        before = len(await read_topic(servers, names.events))
        while process.poll() is None and len(await read_topic(servers, names.events)) == before:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        done = len(await read_topic(servers, names.events))
        killed_within += before < done < count
        if killed_within >= 2 or done == count:
            break
    assert killed_within, "no run was killed in its midst"
    last = await asyncio.to_thread(
        run_command,
        *command[1:],
        folder=tmp_path,
        settings=settings_for(apache_kafka, app_id),
        timeout_s=120,
    )
    facts = answer_of(last)
    assert facts["replayed"] + facts["already_replayed"] == count
    values = Counter(r.value for r in await read_topic(servers, names.events))
    assert len(values) == count and set(values.values()) == {1}


async def _put_letters(servers: str, names: TopicNames, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, max_batch_size=1 << 19) as producer:
        waiting = []
        for number in range(count):
            headers = [
                ("error", b"the key is absent"),
                ("error-field", b"key"),
                ("source-topic", names.events.encode()),
                ("source-partition", b"0"),
                ("source-offset", str(number).encode()),
            ]
            _, value = pair(event_id=f"letter-{number}")
            waiting.append(await producer.send(names.dead_letters, value, headers=headers))
        await asyncio.gather(*waiting)


async def _put_letter(servers: str, names: TopicNames, value: bytes, *, source_offset: int) -> None:
    headers = [
        ("error", b"timestamp 1 lies before 2"),
        ("error-field", b"timestamp"),
        ("source-topic", names.events.encode()),
        ("source-partition", b"0"),
        ("source-offset", str(source_offset).encode()),
    ]
    async with AIOKafkaProducer(bootstrap_servers=servers, max_request_size=2 << 20) as producer:
        await producer.send_and_wait(names.dead_letters, value, key=b"ann", headers=headers)


async def test_letters_of_a_source_made_anew_are_letters_of_their_own(
    broker: Broker, app_id: str, tmp_path: Path
) -> None:
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    servers = broker.bootstrap_servers
    await create_topics({"bootstrap_servers": servers}, plan(names, partitions=4))
    for item in ("before", "after", "after"):  # the third is a worker's that crashed and sent it again
        _, value = pair(item_id=item)
        await _put_letter(servers, names, value or b"", source_offset=5)
    done = await asyncio.to_thread(
        run_command,
        "dead-letters",
        "replay",
        "--json",
        folder=tmp_path,
        settings=settings_for(broker, app_id),
    )
    assert answer_of(done)["replayed"] == 2
    events = await read_topic(servers, names.events)
    assert sorted(json.loads(r.value)["item_id"] for r in events) == ["after", "before"]


async def test_a_letter_that_the_events_topic_cannot_take_holds_up_no_other(
    apache_kafka: ApacheKafka, app_id: str, tmp_path: Path
) -> None:
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    servers = apache_kafka.bootstrap_servers
    await create_topics({"bootstrap_servers": servers}, plan(names, partitions=4))
    _, small = pair(item_id="small")
    _, large = pair(item_id="large")
    assert small and large
    await _put_letter(servers, names, large.ljust(MAX_VALUE_BYTES), source_offset=1)
    await _put_letter(servers, names, small, source_offset=2)
    done = await asyncio.to_thread(
        run_command,
        *("dead-letters", "replay", "--json"),
        folder=tmp_path,
        settings=settings_for(apache_kafka, app_id),
    )
    facts = answer_of(done)
    assert facts["replayed"] == 1
    assert [reason for reason in facts["still_bad"] if "max.message.bytes" in reason]
    assert [r.value for r in await read_topic(servers, names.events)] == [small]


async def test_a_mended_file_is_cut_at_line_ends_alone(broker: Broker, app_id: str, tmp_path: Path) -> None:
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    servers = broker.bootstrap_servers
    await create_topics({"bootstrap_servers": servers}, plan(names, partitions=4))
    await _put_letter(servers, names, b"junk", source_offset=1)
    line = json.dumps({"place": "0:0", "value": {**GOOD, "item_id": "a\u2028b"}}, ensure_ascii=False)
    (tmp_path / "mended.jsonl").write_text(line, encoding="utf-8")
    done = await asyncio.to_thread(
        run_command,
        *("dead-letters", "replay", "--from", "mended.jsonl", "--json"),
        folder=tmp_path,
        settings=settings_for(broker, app_id),
    )
    assert answer_of(done)["replayed"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nowhere"), 2, "'nowhere' is no place"),
        (("show", "0:99"), 1, "there is no dead letter 0:99"),
        (("replay", "--from", "missing.jsonl"), 1, "missing.jsonl cannot be read"),
        (("replay", "--from", "odd.jsonl"), 1, "odd.jsonl, line 2: a line is"),
        (("replay", "--from", "numbered.jsonl"), 1, "numbered.jsonl, line 1: a line is"),
        (("replay", "--from", "latin.jsonl"), 1, "latin.jsonl, byte 1: not UTF-8"),
        (("replay", "--from", "nobody.jsonl"), 1, "there is no dead letter 0:77"),
    ],
)
async def test_wrong_use_is_one_line(
    embedded_broker: EmbeddedBroker,
    app_id: str,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    await create_topics({"bootstrap_servers": embedded_broker.bootstrap_servers}, plan(names, partitions=4))
    (tmp_path / "numbered.jsonl").write_text('{"place": "0:1", "value": "x", "key": 5}\n')
    (tmp_path / "latin.jsonl").write_bytes(b'"\xe9"\n')
    (tmp_path / "nobody.jsonl").write_text('{"place": "0:77", "value": "x"}\n')
    (tmp_path / "odd.jsonl").write_text('{"place": "0:1", "value": "x"}\n{"value": 3}\n')
    done = await asyncio.to_thread(
        run_command,
        "dead-letters",
        *arguments,
        folder=tmp_path,
        settings=settings_for(embedded_broker, app_id),
    )
    assert done.returncode == code
    assert words in done.stderr and done.stderr.count("\n") == 1

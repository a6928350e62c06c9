"""A worker process on each broker, without a model: events in, everything that must come out."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from typing import Any

import pytest

from stream_app.brokers import Broker
from tests.conftest import MakeWorker
from tests.event_stream import Pair, Tail, as_pair, send, send_events, some_events, until_settled
from tests.reference import (
    check_answers,
    check_histories,
    check_outcomes,
    expected_histories,
    expected_outcomes,
    find_everything,
    found_outcomes,
)
from tests.worker_process import WorkerProcess


def an_event(user: str, item: str = "film-1", **fields: Any) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {"user_id": user, "item_id": item, "type": "view", "timestamp": now_ms} | fields


async def lists_of(worker: WorkerProcess, user: str, *, newest: str) -> list[dict[str, Any]]:
    """The user's recommendations, once the event with the id `newest` is answered."""

    def mine(records: list[Any]) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in records if record.key == user.encode()]

    async with Tail(worker.bootstrap_servers, worker.names.recommendations) as tail:
        await tail.until(lambda records: any(newest in one["trigger"]["event_ids"] for one in mine(records)))
        return mine(tail.records)


async def test_a_new_user_gets_what_is_trending(served: WorkerProcess) -> None:
    crowd = [an_event(f"crowd-{n}", f"film-{n % 5}") for n in range(100)]
    await send_events(served, crowd)
    await until_settled(served)
    await send_events(served, [an_event("newcomer", "film-2", event_id="first")])

    answer = (await lists_of(served, "newcomer", newest="first"))[-1]

    assert answer["model"] == {"version": "trending", "role": "fallback"}
    assert {item["item_id"] for item in answer["items"]} == {"film-0", "film-1", "film-3", "film-4"}
    assert answer["history_length"] == 1
    assert answer["trigger"]["topic"] == served.names.events


async def test_what_was_seen_is_not_recommended_again(served: WorkerProcess) -> None:
    await send_events(served, [an_event("glutton", f"film-{n}", event_id=f"bite-{n}") for n in range(4)])

    answer = (await lists_of(served, "glutton", newest="bite-3"))[-1]

    assert [item["item_id"] for item in answer["items"]] == ["film-4"]


async def test_forget_erases_the_user_and_later_events_start_anew(served: WorkerProcess) -> None:
    forget = {"user_id": "ghost", "type": "forget", "timestamp": time.time_ns() // 1_000_000}
    await send_events(served, [an_event("ghost", "film-1"), an_event("ghost", "film-2")])
    await until_settled(served)
    await send_events(served, [forget])
    await until_settled(served)
    forgotten = await find_everything(served)
    assert not [place for place in forgotten.histories if place[1] == b"ghost"]

    await send_events(served, [an_event("ghost", "film-3", event_id="after")])
    answer = (await lists_of(served, "ghost", newest="after"))[-1]
    assert answer["history_length"] == 1


BAD: list[tuple[str, Pair, str, str]] = [
    ("no JSON", (b"u", b"{nonsense"), "value", "not JSON"),
    ("no value", (b"u", None), "value", "null"),
    ("no key", (None, b'{"user_id":"u","item_id":"i","type":"view"}'), "key", "absent"),
    ("another key", (b"v", b'{"user_id":"u","item_id":"i","type":"view"}'), "key", "differs"),
    ("a quoted key", (b'"u"', b'{"user_id":"u","item_id":"i","type":"view"}'), "key", "JSON quotes"),
    ("an unknown type", (b"u", b'{"user_id":"u","item_id":"i","type":"stare"}'), "type", "stare"),
    ("no item", (b"u", b'{"user_id":"u","type":"view"}'), "item_id", "missing"),
    ("seconds", (b"u", b'{"user_id":"u","item_id":"i","type":"view","timestamp":9}'), "timestamp", "seconds"),
]  # fmt: skip


async def test_a_bad_event_is_a_dead_letter_with_its_reason_and_place(served: WorkerProcess) -> None:
    await send(served.bootstrap_servers, served.names.events, [pair for _, pair, _, _ in BAD])
    await send_events(served, [an_event("survivor", event_id="alive")])
    assert await lists_of(served, "survivor", newest="alive")
    await until_settled(served)

    found = await find_everything(served)
    source = {(record.partition, record.offset): record for record in found.source}
    letters = {}
    for letter in found.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        original = source[int(headers["source-partition"]), int(headers["source-offset"])]
        assert (letter.key, letter.value) == (original.key, original.value)
        assert headers["source-topic"] == served.names.events
        assert headers["source-timestamp"] == str(original.timestamp)
        assert "\n" not in headers["error"]
        letters[letter.key, letter.value] = headers
    for name, pair, field, words in BAD:
        assert letters[pair]["error-field"] == field, name
        assert words in letters[pair]["error"], name
    assert len(letters) == len(BAD)


# With `touched`, whether an item that leaves the window within a chunk counts as seen depends on the chunk.
@pytest.mark.parametrize(("emit", "limit"), [("touched", 200), ("each", 10)])
async def test_every_event_is_remembered_answered_and_judged(
    broker: Broker, make_worker: MakeWorker, emit: str, limit: int
) -> None:
    worker = make_worker(broker, settings={"emit": emit, "history_limit": limit})
    worker.start()
    await worker.ready()
    for part in range(3):  # three times, so that in `touched` there are lists to judge by
        await send_events(worker, some_events(500, items=150, seed=part, name=f"{part}-"))
        await until_settled(worker)

    found = await find_everything(worker)
    expected = expected_histories(found.source, limit=limit)
    check_histories(found, expected)
    check_answers(found, expected)
    check_outcomes(found)
    assert found_outcomes(found) == expected_outcomes(found, limit=limit)
    assert len(found.outcomes) == len(found_outcomes(found)), "an event was judged twice"
    assert not found.dead_letters
    check_emission(found.recommendations, len(found.source), emit)


def check_emission(lists: list[dict[str, Any]], events: int, emit: str) -> None:
    """Each event is in the trigger of exactly one list; with `each`, of a list of its own."""
    named = Counter(event for one in lists for event in one["trigger"]["event_ids"])
    assert len(named) == events
    assert set(named.values()) == {1}
    if emit == "each":
        assert len(lists) == events
    else:
        assert len(lists) < events
    offsets: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for one in lists:
        offsets[one["user_id"], one["trigger"]["partition"]].append(one["trigger"]["offset"])
    assert all(seen == sorted(seen) for seen in offsets.values()), "a list went out after a newer one"


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_events_are_read(served: WorkerProcess, compression: str) -> None:
    """Without its codecs aiokafka would end the worker."""
    event = an_event(f"packer-{compression}", event_id=compression)
    await send(served.bootstrap_servers, served.names.events, [as_pair(event)], compression_type=compression)
    assert await lists_of(served, f"packer-{compression}", newest=compression)


async def test_pairs_of_a_python_producer_reach_the_partition_of_their_user(served: WorkerProcess) -> None:
    """Kafka's own clients choose by murmur2: a user's events meet on one partition."""
    await send(served.bootstrap_servers, served.names.events, [as_pair(an_event("loyal")) for _ in range(20)])
    await until_settled(served)

    assert len([place for place in (await find_everything(served)).histories if place[1] == b"loyal"]) == 1

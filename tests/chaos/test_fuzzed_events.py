"""Ten thousand bad events between good ones: the bad become dead letters, the good are answered."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from stream_app.brokers import ApacheKafka
from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES
from tests.chaos.fuzzed_events import KEY, bad_events, mutated_events, strange_but_good_events
from tests.conftest import MakeWorker
from tests.event_stream import as_pair, send, some_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything

MEBIBYTE = 1 << 20


def large_events() -> dict[int, bytes]:
    """Values by their size that a default Kafka accepts, since they compress well."""
    return {size: b'{"user_id":"fuzz","x":"' + b"a" * size + b'"}' for size in (3 * MEBIBYTE, 20 * MEBIBYTE)}


async def test_bad_events_are_dead_letters_with_a_reason_and_good_ones_are_answered(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    # Of any age, since a mutated timestamp may lie far back.
    worker = make_worker(apache_kafka, settings={"history_days": 36_500})
    worker.start()
    await worker.ready()
    good = some_events(3000) + strange_but_good_events()
    bad, mutated = bad_events(9000, seed=1), mutated_events(1000, seed=2)
    pairs = [as_pair(event) for event in good] + bad + mutated
    random.Random(3).shuffle(pairs)
    large = [(KEY, value) for value in large_events().values()]
    servers, source_topic = worker.bootstrap_servers, worker.names.events
    await asyncio.gather(
        send(servers, source_topic, pairs),
        send(servers, source_topic, large, compression_type="gzip", max_request_size=32 * MEBIBYTE),
    )
    said = await worker.not_ready()
    assert "more than half of the last minute's events are bad" in str(said["missing"])
    await until_settled(worker)
    assert worker.is_running

    found = await find_everything(worker)
    source = {(record.partition, record.offset): record for record in found.source}
    letters: dict[tuple[int, int], Any] = {}
    for letter in found.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        place = int(headers["source-partition"]), int(headers["source-offset"])
        assert place not in letters, f"two dead letters of {place}"
        letters[place] = letter
        assert letter.key == source[place].key
        assert headers["error"] and headers["error-field"]
        assert len(headers["error"].splitlines()) == 1 and len(headers["error"]) < 1000
        if "value-truncated" in headers:
            assert headers["value-truncated"] == str(len(source[place].value))
            assert len(letter.value) > DEAD_LETTER_MAX_BYTES - MEBIBYTE
            assert source[place].value.startswith(letter.value)
        else:
            assert letter.value == source[place].value

    values = {place: (record.key, record.value) for place, record in source.items()}
    must_be_bad = {*bad, *large}
    assert not [place for place, pair in values.items() if pair in must_be_bad and place not in letters]
    must_be_good = {as_pair(event) for event in good}
    assert not [place for place, pair in values.items() if pair in must_be_good and place in letters]
    # What passed of the mutated ones was valid JSON, and is in the histories like any good event.
    expected = expected_histories(found.source, bad=frozenset(letters))
    check_histories(found, expected)
    check_answers(found, expected)
    answered = {event for one in found.recommendations for event in one["trigger"]["event_ids"]}
    assert {event["event_id"] for event in good} <= answered

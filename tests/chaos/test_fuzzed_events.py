"""Ten thousand bad events between good ones: the bad become dead letters, the good are answered."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from stream_app.brokers import ApacheKafka
from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES
from tests.chaos.fuzzed_events import KEY, Bad, bad_events, mutated_events, strange_but_good_events
from tests.conftest import MakeWorker
from tests.event_rules import DAY_MS, UNCLEAR, agrees, faults
from tests.event_stream import Pair, as_pair, send, some_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything

MEBIBYTE = 1 << 20
ANY_AGE_DAYS = 36_500
"""A mutated timestamp may lie far back."""


def large_events() -> dict[int, bytes]:
    """Values by their size that a default Kafka accepts, since they compress well."""
    return {size: b'{"user_id":"fuzz","x":"' + b"a" * size + b'"}' for size in (3 * MEBIBYTE, 20 * MEBIBYTE)}


async def test_bad_events_are_dead_letters_with_a_reason_and_good_ones_are_answered(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    worker = make_worker(apache_kafka, settings={"history_days": ANY_AGE_DAYS})
    worker.start()
    await worker.ready()
    good = some_events(3000) + strange_but_good_events()
    bad, mutated = bad_events(9000, seed=1), mutated_events(1000, seed=2)
    pairs = [as_pair(event) for event in good] + [one.pair for one in bad] + mutated
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
    fields: dict[tuple[int, int], str] = {}  # at fault, of each dead letter's source
    for letter in found.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        place = int(headers["source-partition"]), int(headers["source-offset"])
        assert place not in fields, f"two dead letters of {place}"
        fields[place] = headers["error-field"]
        assert letter.key == source[place].key
        assert headers["error"] and headers["source-topic"] == source_topic
        assert len(headers["error"].splitlines()) == 1 and len(headers["error"]) < 1000
        if "value-truncated" in headers:
            assert headers["value-truncated"] == str(len(source[place].value))
            assert len(letter.value) > DEAD_LETTER_MAX_BYTES - MEBIBYTE
            assert source[place].value.startswith(letter.value)
        else:
            assert letter.value == source[place].value

    must_be_bad: defaultdict[Pair, set[str]] = defaultdict(set)
    for one in bad + [Bad(pair, frozenset({"value"})) for pair in large]:
        must_be_bad[one.pair] |= one.fields
    must_be_good = {as_pair(event) for event in good}
    wrong, clear_among_mutated = [], 0
    for place, record in source.items():
        pair, field = (record.key, record.value), fields.get(place)
        by_the_rules = faults(*pair, record_timestamp_ms=record.timestamp)
        allowed = must_be_bad.get(pair, set() if pair in must_be_good else by_the_rules)
        if not (agrees(field, allowed) and agrees(field, by_the_rules)):
            wrong.append(f"{field} at fault, allowed {allowed}, by the rules {by_the_rules}: {pair!r:.200}")
        clear_among_mutated += pair not in must_be_bad and pair not in must_be_good and allowed is not UNCLEAR
    assert not wrong, f"{len(wrong)} of {len(source)}: {wrong[:5]}"
    assert clear_among_mutated > len(mutated) * 0.9
    # What passed of the mutated ones was valid JSON, and is in the histories like any good event.
    expected = expected_histories(found.source, max_age_ms=ANY_AGE_DAYS * DAY_MS, bad=frozenset(fields))
    check_histories(found, expected)
    check_answers(found, expected)
    answered = {event for one in found.recommendations for event in one["trigger"]["event_ids"]}
    assert {event["event_id"] for event in good} <= answered

"""Ten thousand bad events between good ones: the bad become dead letters, the good are answered.

A hundred times as many, at full speed: python -m tests.chaos.fuzz_at_load
"""

from __future__ import annotations

import asyncio
import random

from stream_app.brokers import ApacheKafka
from tests.chaos.fuzz_verdict import ANY_AGE_DAYS, MEBIBYTE, check_fuzzed
from tests.chaos.fuzzed_events import KEY, Bad, bad_events, mutated_events, strange_but_good_events
from tests.conftest import MakeWorker
from tests.event_stream import as_pair, send, some_events, until_settled
from tests.reference import find_everything


def large_events() -> dict[int, bytes]:
    """Values by their size that a default Kafka accepts, since they compress well."""
    return {size: b'{"user_id":"fuzz","x":"' + b"a" * size + b'"}' for size in (3 * MEBIBYTE, 20 * MEBIBYTE)}


async def test_bad_events_are_dead_letters_with_a_reason_and_good_ones_are_answered(
    apache_kafka: ApacheKafka, make_worker: MakeWorker
) -> None:
    settings = {"history_days": ANY_AGE_DAYS, "history_limit": 200}
    worker = make_worker(apache_kafka, settings=settings)
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
    counts = check_fuzzed(
        found,
        bad=bad + [Bad(pair, frozenset({"value"})) for pair in large],
        good={as_pair(event) for event in good},
    )
    assert counts["unclear"] < len(mutated) / 10, counts
    assert counts["bad"] >= len(bad) + len(large)
    answered = {event for one in found.recommendations for event in one["trigger"]["event_ids"]}
    assert {event["event_id"] for event in good} <= answered

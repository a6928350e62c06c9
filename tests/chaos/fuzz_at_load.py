"""Fuzzed records between good ones, of every compression, at full speed; then each one's fate is checked.

python -m tests.chaos.fuzz_at_load --records 1000000

One in ten is good, one in twenty is a good one with a few bytes changed, the others are bad for certain:
random bytes, cut JSON, wrong types, huge numbers, deep nesting, invalid UTF-8, wrong or absent keys, large
values, null values, future times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.brokers import ApacheKafka
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import plan
from tests.chaos.fuzz_verdict import ANY_AGE_DAYS, MEBIBYTE, check_fuzzed
from tests.chaos.fuzzed_events import KEY, Bad, bad_events, mutated_events
from tests.event_stream import Pair, as_pair, committed_offsets, send, some_events
from tests.reference import find_everything
from tests.worker_process import WorkerProcess

COMPRESSIONS = (None, "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 4
LARGE_EVERY = 2000
MEBIBYTE_VALUES = 20


def say(line: str) -> None:
    print(f"{time.strftime('%X')}  {line}", file=sys.stderr, flush=True)


async def fuzz(records: int, seed: int, worker: WorkerProcess) -> dict[str, Any]:
    """Send it all, then start the worker and let it work it off; the figures.

    Raises AssertionError where a record's fate is wrong.
    """
    good = [as_pair(event) for event in some_events(records // 10, users=2000)]
    mutated = mutated_events(records // 20, seed=seed)
    bad = bad_events(records - len(good) - len(mutated), seed=seed, large_every=LARGE_EVERY)
    mebibyte: list[Pair] = [(KEY, bytes([number]) * MEBIBYTE) for number in range(MEBIBYTE_VALUES)]
    pairs = good + mutated + [one.pair for one in bad]
    random.Random(seed).shuffle(pairs)
    say(f"{len(pairs) + len(mebibyte)} records: {len(good)} good, {len(mutated)} with changed bytes")
    servers, topic = worker.bootstrap_servers, worker.names.events
    await create_topics({"bootstrap_servers": servers}, plan(worker.names, partitions=PARTITIONS))
    parts = len(COMPRESSIONS)
    await asyncio.gather(
        *[
            send(servers, topic, pairs[number::parts], compression_type=kind, max_request_size=2 * MEBIBYTE)
            for number, kind in enumerate(COMPRESSIONS)
        ],
        send(servers, topic, mebibyte, compression_type="zstd", max_request_size=2 * MEBIBYTE),
    )
    say("sent; the worker starts")
    worker.start()
    await worker.says("Worker ready")  # /ready says no: most events are bad
    began = time.monotonic()
    await _until_committed(worker)
    seconds = time.monotonic() - began
    say(f"worked off in {seconds:.1f} s; now every record is looked at")
    assert "Traceback" not in worker.log, worker.log[-3000:]
    found = await find_everything(worker)
    counts = check_fuzzed(
        found, bad=bad + [Bad(pair, frozenset({"value"})) for pair in mebibyte], good=set(good)
    )
    assert len(found.source) == len(pairs) + len(mebibyte)
    return {
        "records": len(found.source),
        "dead_letters": len(found.dead_letters),
        "bad_for_certain": counts["bad"],
        "good_for_certain": counts["good"],
        "either": counts["unclear"],
        "crashes": worker.log.count("Worker ready") - 1,
        "seconds": round(seconds, 1),
        "records_per_second": round(len(found.source) / seconds),
    }


async def _until_committed(worker: WorkerProcess) -> None:
    partitions = [TopicPartition(worker.names.events, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=worker.bootstrap_servers) as consumer:
        ends = await consumer.end_offsets(partitions)
    while await committed_offsets(worker.bootstrap_servers, worker.app_id, partitions) != ends:
        assert worker.is_running, f"the worker has ended:\n{worker.log[-3000:]}"
        await asyncio.sleep(0.2)


def main() -> None:
    """Run it, print the figures; exit code 1 where a record's fate is wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz_at_load", description=__doc__)
    options.add_argument("--records", type=int, default=1_000_000, help="how many (1,000,000)")
    options.add_argument("--seed", type=int, default=1, help="which ones (1)")
    options.add_argument("--json", action="store_true", help="the figures as one JSON object")
    given = options.parse_args()
    folder, broker = Path(tempfile.mkdtemp(prefix="millstream-fuzz-")), ApacheKafka()
    say(f"the worker's log is in {folder}")
    broker.start()
    worker = WorkerProcess(
        bootstrap_servers=broker.bootstrap_servers,
        app_id="fuzz",
        folder=folder,
        settings={"history_days": ANY_AGE_DAYS},
    )
    try:
        figures = asyncio.run(fuzz(given.records, given.seed, worker))
    except AssertionError as wrong:
        say(f"WRONG: {wrong}")
        sys.exit(1)
    finally:
        worker.clean_up()
        broker.stop()
    print(json.dumps(figures) if given.json else "\n".join(f"{name}: {v}" for name, v in figures.items()))


if __name__ == "__main__":
    main()

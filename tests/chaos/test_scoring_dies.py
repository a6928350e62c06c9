"""A scoring thread that ends: the worker ends too, and commits nothing that was not answered."""

from __future__ import annotations

from pathlib import Path

from stream_app.brokers import ApacheKafka
from tests.announcing import announce
from tests.chaos import altered_worker
from tests.chaos.under_load import settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import read_json, send_events, some_events
from tests.tiny_bundle import make_tiny_bundle

ITEMS = [f"item-{number}" for number in range(400)]


async def test_a_dead_scoring_thread_ends_the_worker_and_nothing_is_lost(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, tmp_path: Path
) -> None:
    worker = make_worker(apache_kafka, name="dying", command=altered_worker.command("scoring-dies"))
    next_one = make_worker(apache_kafka, name="next")
    worker.start()
    await worker.ready()
    await announce(worker, make_tiny_bundle(tmp_path / "made", ITEMS), registry=tmp_path / "registry")
    await worker.says("serves now")
    await send_events(worker, some_events(3000))

    assert await worker.ended() == 1
    last = worker.log.splitlines()[-1]
    assert last.startswith("millstream: ") and "scoring has ended: MemoryError('no room" in last
    answered = await read_json(worker.bootstrap_servers, worker.names.recommendations)
    assert len({one["user_id"] for one in answered}) < 200  # there was something left to lose

    next_one.start()
    await next_one.ready()
    await settle_and_check(next_one)

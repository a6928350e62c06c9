"""The loop as it runs: a worker serves, `retrain` trains on its topic, the worker swaps the model in."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from stream_app.brokers import ApacheKafka
from tests.announcing import announce
from tests.command import answer_of, run_command
from tests.conftest import MakeWorker
from tests.event_stream import Tail, send_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything
from tests.tiny_bundle import make_tiny_bundle
from tests.worker_process import WorkerProcess

USERS, TURNS, ITEMS = 40, 25, 60
WINDOW = {"history_days": 36_500, "history_limit": 20}
"""Less than the items, so that there is always one left to recommend."""

START_MS = time.time_ns() // 1_000_000 - 10 * 86_400_000


def walk(*, turns: range) -> list[dict[str, Any]]:
    """Every user walks along one circle of items, a step a turn."""
    return [
        {
            "user_id": f"u{user}",
            "item_id": f"i{(7 * user + turn) % ITEMS}",
            "type": "like",
            "timestamp": START_MS + (turn * USERS + user) * 60_000,
            "event_id": f"u{user}-{turn}",
        }
        for turn in turns
        for user in range(USERS)
    ]


@pytest.mark.timeout(400)
async def test_a_running_worker_serves_what_retrain_made_of_its_events_and_none_is_held_up(
    apache_kafka: ApacheKafka, make_worker: MakeWorker, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    worker = make_worker(apache_kafka, settings={**WINDOW, "registry": registry, "emit": "each"})
    worker.start()
    await worker.ready()
    await send_events(worker, walk(turns=range(TURNS)))
    await until_settled(worker)

    bundle = make_tiny_bundle(tmp_path / "tiny", [f"i{number}" for number in range(ITEMS)])
    first = await announce(worker, bundle, registry=registry)
    await worker.says(f"model {first} serves now", limit_s=60)

    # Events go on while the next is trained, compared with the first, announced and swapped in.
    more = walk(turns=range(TURNS, TURNS + 600))
    done = asyncio.Event()

    async def go_on() -> int:
        sent = 0
        while not done.is_set():
            await send_events(worker, more[sent : sent + 5])
            sent += 5
            await asyncio.sleep(0.1)
        return sent

    going_on = asyncio.create_task(go_on())
    second = await retrain(worker, registry, tmp_path)
    assert [row["model"] for row in second["results"]][:2] == ["candidate", first]
    assert second["gate"]["passed"] and not second["gate"]["forced"]
    await worker.says(f"model {second['version']} serves now", limit_s=60)
    await asyncio.sleep(1)
    done.set()
    assert await going_on
    await until_settled(worker)

    found = await find_everything(worker)
    expected = expected_histories(found.source, limit=WINDOW["history_limit"], max_age_ms=1 << 50)
    check_histories(found, expected)
    check_answers(found, expected)
    versions = [one["model"]["version"] for one in found.recommendations]
    assert {first, second["version"]} <= set(versions)
    triggers = [(one["trigger"]["partition"], one["trigger"]["offset"]) for one in found.recommendations]
    assert len(triggers) == len(set(triggers)) == len(found.source)
    assert await longest_wait_s(worker, since_version=first) < 5


async def retrain(worker: WorkerProcess, registry: Path, folder: Path) -> Any:
    settings = {
        "kafka_bootstrap_servers": worker.bootstrap_servers,
        "app_id": worker.names.app_id,
        "topic_prefix": worker.names.prefix,
        "registry": registry,
        **WINDOW,
    }
    done = await asyncio.to_thread(
        run_command, "retrain", "--newest", "0.2", "--epochs", "25", "--json",
        folder=folder, settings=settings, timeout_s=240,
    )  # fmt: skip
    return answer_of(done)


async def longest_wait_s(worker: WorkerProcess, *, since_version: str) -> float:
    """The longest time from an event's arrival at the broker to its list's, from a model's first list on."""
    async with (
        Tail(worker.bootstrap_servers, worker.names.events) as events,
        Tail(worker.bootstrap_servers, worker.names.recommendations) as lists,
    ):
        await events.until(lambda records: len(records) >= USERS * TURNS)
        await lists.until(lambda records: len(records) >= USERS * TURNS)
        for tail in (events, lists):
            while await tail.read():
                pass
        arrived = {(r.partition, r.offset): r.timestamp for r in events.records}
        waits, begun = [], False
        for record in sorted(lists.records, key=lambda r: r.timestamp):
            message = json.loads(record.value)
            begun = begun or message["model"]["version"] == since_version
            if begun:
                place = message["trigger"]["partition"], message["trigger"]["offset"]
                waits.append((record.timestamp - arrived[place]) / 1000)
    return max(waits)

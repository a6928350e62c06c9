"""`millstream recommend` and `history`: what is stored, and what a user would get, told without a worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_app.brokers import Broker
from tests.announcing import announce
from tests.command import answer_of, run_command
from tests.conftest import MakeWorker
from tests.event_stream import send, send_events, some_events, until_settled
from tests.tiny_bundle import make_tiny_bundle
from tests.worker_process import WorkerProcess

ITEMS = [f"item-{number}" for number in range(400)]
Run = Callable[..., Any]


@pytest.fixture
async def stopped(broker: Broker, make_worker: MakeWorker) -> WorkerProcess:
    """A worker that has applied events and is gone: what it knew is in the changelog alone."""
    worker = make_worker(broker)
    worker.start()
    await worker.ready()
    item = json.dumps({"item_id": "item-1", "title": "Metropolis"}).encode()
    await send(worker.bootstrap_servers, worker.names.items, [(b"item-1", item)])
    await send_events(worker, some_events(300, users=20))
    await until_settled(worker)
    await worker.stop()
    return worker


@pytest.fixture
def run(stopped: WorkerProcess, tmp_path: Path) -> Run:
    settings = {
        "kafka_bootstrap_servers": stopped.bootstrap_servers,
        "app_id": stopped.names.app_id,
        "topic_prefix": stopped.names.prefix,
        "registry": tmp_path / "registry",
        "device": "cpu",
    }

    async def run(*arguments: object) -> Any:
        return await asyncio.to_thread(run_command, *arguments, folder=tmp_path, settings=settings)

    return run


async def test_every_history_is_one_line_and_has_what_was_sent(run: Run) -> None:
    done = await run("history", "--all", "--json")
    assert done.returncode == 0, done.stderr
    found = {one["user_id"]: one for one in map(json.loads, done.stdout.splitlines())}
    sent: dict[str, list[tuple[str, int]]] = {}
    for event in some_events(300, users=20):
        sent.setdefault(event["user_id"], []).append((event["type"], event["timestamp"] // 100_000))
    assert found.keys() == sent.keys()
    for user, one in found.items():
        assert one["format"] == 1 and one["epoch"] == 0
        stored = [(entry["type"], entry["timestamp"] // 100_000) for entry in one["entries"]]
        assert [kind for kind, _ in stored] == [kind for kind, _ in sent[user]]

    text = (await run("history", "user-0")).stdout
    assert text.startswith(f"user user-0: {len(sent['user-0'])} events, partition ")
    assert "format 1" in text.splitlines()[0] and len(text.splitlines()) == 1 + len(sent["user-0"])


async def test_a_user_is_recommended_what_is_trending_and_then_what_the_model_says(
    run: Run, stopped: WorkerProcess, tmp_path: Path
) -> None:
    seen = {entry["item_hash"] for entry in answer_of(await run("history", "user-1", "--json"))["entries"]}
    trending = answer_of(await run("recommend", "user-1", "--json"))
    assert trending["model"] == {"version": "trending", "role": "fallback"}
    assert trending["history_length"] >= len(seen)

    version = await announce(
        stopped, make_tiny_bundle(tmp_path / "made", ITEMS, version="tiny"), registry=tmp_path / "registry"
    )
    offer = answer_of(await run("recommend", "user-1", "--json"))
    assert offer["model"] == {"version": version, "role": "champion"}
    items = [item["item_id"] for item in offer["items"]]
    assert len(items) == len(set(items)) == 10
    scores = [item["score"] for item in offer["items"]]
    assert scores == sorted(scores, reverse=True) and offer["items"][0]["because"]

    text = (await run("recommend", "user-1")).stdout
    assert text.splitlines()[0].startswith("model tiny (champion), ")
    assert text.splitlines()[-1].startswith("because of ")
    stranger = answer_of(await run("recommend", "nobody", "--json"))
    assert stranger["model"]["role"] == "fallback" and stranger["history_length"] == 0


async def test_a_user_without_a_history_is_one_line(run: Run) -> None:
    done = await run("history", "nobody")
    assert done.returncode == 1
    assert "nothing is stored of user nobody" in done.stderr and done.stderr.count("\n") == 1


async def test_a_model_that_cannot_be_read_hides_no_history(
    run: Run, stopped: WorkerProcess, tmp_path: Path
) -> None:
    def lose_items(folder: Path) -> None:
        (folder / "items.parquet").unlink()

    bundle = make_tiny_bundle(tmp_path / "made-badly", ITEMS, version="broken")
    await announce(stopped, bundle, registry=tmp_path / "registry", damage=lose_items)
    done = await run("history", "user-1", "--json")
    assert answer_of(done)["user_id"] == "user-1"
    assert "items that only model broken knows have no names here" in done.stderr

"""A worker on each broker, with models: announced, swapped in, following the catalogue."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from models.encoder_config import EncoderConfig
from tests.announcing import announce
from tests.event_stream import Tail, send, send_events, some_events, until_settled
from tests.reference import check_answers, check_histories, expected_histories, find_everything
from tests.tiny_bundle import make_tiny_bundle
from tests.worker_process import WorkerProcess
from training.untrained import export_untrained

ITEMS = [f"item-{number}" for number in range(400)]


def an_event(user: str, item: str, event_id: str) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {"user_id": user, "item_id": item, "type": "like", "timestamp": now_ms, "event_id": event_id}


async def serve(worker: WorkerProcess, folder: Path, *, seed: int) -> str:
    """Announce a model, unless it is there already, and wait until it serves."""
    version = f"tiny-{seed}"
    if f"model {version} serves now" not in worker.log:
        await announce(
            worker, make_tiny_bundle(folder / "staging", ITEMS, seed=seed), registry=folder / "registry"
        )
        await worker.says(f"model {version} serves now")
    return version


async def answer_to(worker: WorkerProcess, event: dict[str, Any]) -> dict[str, Any]:
    """The list that an event brings about."""
    await send_events(worker, [event])
    async with Tail(worker.bootstrap_servers, worker.names.recommendations) as tail:

        def answers(records: list[Any]) -> list[dict[str, Any]]:
            lists = (json.loads(record.value) for record in records)
            return [one for one in lists if event["event_id"] in one["trigger"]["event_ids"]]

        await tail.until(answers)
        return answers(tail.records)[0]


async def test_lists_come_from_the_announced_model_with_reasons(
    served: WorkerProcess, tmp_path: Path
) -> None:
    version = await serve(served, tmp_path, seed=1)
    await answer_to(served, an_event("reader", "item-7", "r1"))
    answer = await answer_to(served, an_event("reader", "item-8", "r2"))

    assert answer["model"] == {"version": version, "role": "champion"}
    items = [item["item_id"] for item in answer["items"]]
    assert len(items) == len(set(items)) == 10
    assert not {"item-7", "item-8"} & set(items)
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert {reason["item_id"] for reason in answer["items"][0]["because"]} == {"item-7", "item-8"}


async def test_a_user_of_unknown_items_gets_the_fallback(served: WorkerProcess, tmp_path: Path) -> None:
    await serve(served, tmp_path, seed=1)
    answer = await answer_to(served, an_event("stranger", "never-trained", "s1"))
    assert answer["model"]["role"] == "fallback"


async def test_an_item_leaves_the_lists_and_comes_back(served: WorkerProcess, tmp_path: Path) -> None:
    await serve(served, tmp_path, seed=1)
    best = (await answer_to(served, an_event("shopper", "item-9", "a")))["items"][0]["item_id"]

    for number, (item, wanted) in enumerate(
        [
            ({"item_id": best, "available": False}, False),
            ({"item_id": best, "available": True}, True),
            (None, False),  # retired
            ({"item_id": best}, True),
        ]
    ):
        value = None if item is None else json.dumps(item).encode()
        await send(served.bootstrap_servers, served.names.items, [(best.encode(), value)])
        # The items' feed and the events' topic are not in step: ask until it is so.
        for attempt in range(100):
            answer = await answer_to(
                served, an_event(f"shopper-{number}-{attempt}", "item-9", f"b{number}-{attempt}")
            )
            if (answer["items"][0]["item_id"] == best) is wanted:
                break
        else:
            raise AssertionError(f"{best} as {item} was never seen in the lists: {answer}")


async def test_a_swap_while_events_flow_drops_and_doubles_none(served: WorkerProcess, tmp_path: Path) -> None:
    old = await serve(served, tmp_path, seed=1)
    events = some_events(6000, seed=3, name="swap-")
    sending = asyncio.create_task(send_events(served, events, per_second=1000))
    await asyncio.sleep(1)
    new = await serve(served, tmp_path, seed=2)
    await sending
    await until_settled(served)

    found = await find_everything(served)
    expected = expected_histories(found.source)
    check_histories(found, expected)
    check_answers(found, expected)
    during = [one for one in found.recommendations if one["trigger"]["event_ids"][0].startswith("swap-")]
    answered = Counter(event for one in during for event in one["trigger"]["event_ids"])
    assert set(answered.values()) == {1}
    assert answered.keys() == {event["event_id"] for event in events}
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for one in during:
        versions[one["user_id"]].append(one["model"]["version"])
    assert {version for seen in versions.values() for version in seen} == {old, new}
    assert all(seen == sorted(seen) for seen in versions.values()), "the old model answered after the new one"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc: what a process has loaded")
async def test_a_worker_that_serves_a_model_has_not_loaded_torch(
    served: WorkerProcess, tmp_path: Path
) -> None:
    await serve(served, tmp_path, seed=1)
    loaded = Path(f"/proc/{served.pid}/maps").read_text()
    assert "onnxruntime" in loaded, "the model runs in another process?"
    assert "/torch/" not in loaded
    assert "libtorch" not in loaded


@pytest.fixture(scope="session")
def told_of_devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose model hears of the device; exporting takes seconds."""
    folder = tmp_path_factory.mktemp("told-of-devices")
    encoder = EncoderConfig(max_length=20, width=16, context=("device",))
    export_untrained(folder, items=len(ITEMS), encoder=encoder)
    return folder


async def test_the_circumstances_of_an_event_reach_the_model(
    served: WorkerProcess, told_of_devices: Path, tmp_path: Path
) -> None:
    """The same history at the same moment, on two devices."""
    staging = shutil.copytree(told_of_devices, tmp_path / "staging")
    version = await announce(served, staging, registry=tmp_path / "registry")
    await served.says(f"model {version} serves now")
    lists = []
    for number, device in enumerate(["phone", "tv", "phone"]):
        event = an_event(f"viewer-{number}", "item-7", f"v{number}") | {"context": {"device": device}}
        answer = await answer_to(served, event | {"timestamp": 1_700_000_000_000})
        assert answer["model"] == {"version": version, "role": "champion"}
        lists.append([item["item_id"] for item in answer["items"]])
    assert lists[0] == lists[2] != lists[1]

"""A worker recommends items that came after the training, told of by the items topic alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_app.brokers import EmbeddedBroker
from stream_app.domain.messages import Item, encode
from tests.announcing import announce
from tests.conftest import MakeWorker
from tests.event_stream import Tail, send, send_events
from tests.unit.training.item_worlds import trained_worlds
from tests.worker_process import WorkerProcess
from training.export import export

ATTEMPTS = 60
"""The items' feed and the events' topic are not in step: it is asked until it is so. Each takes some ms."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Two versions of a model that was trained on items of two categories, which nobody mixes."""
    trained, folder = trained_worlds(), tmp_path_factory.mktemp("trained")
    for version in ("one", "two"):
        export(trained, folder / version, version=version)
    yield [folder / "one", folder / "two"]


def horrors(user: str) -> list[dict[str, Any]]:
    """Events of a user who takes horror: eight of the fifteen that the log had."""
    now_ms = time.time_ns() // 1_000_000
    return [view(user, f"i{number}", now_ms + number) for number in range(0, 16, 2)]


def view(user: str, item: str, timestamp_ms: int) -> dict[str, Any]:
    event_id = f"{user}-{item}-{timestamp_ms}"
    return {
        "user_id": user,
        "item_id": item,
        "type": "view",
        "timestamp": timestamp_ms,
        "event_id": event_id,
    }


async def tell(worker: WorkerProcess, item_id: str, item: Item | None) -> None:
    value = None if item is None else encode(item)
    await send(worker.bootstrap_servers, worker.names.items, [(item_id.encode(), value)])


async def answer_to(worker: WorkerProcess, events: list[dict[str, Any]]) -> dict[str, Any]:
    """The list that the last of a user's events brings about."""
    await send_events(worker, events)
    async with Tail(worker.bootstrap_servers, worker.names.recommendations) as tail:

        def answers(records: list[Any]) -> list[dict[str, Any]]:
            lists = (json.loads(record.value) for record in records)
            return [one for one in lists if events[-1]["event_id"] in one["trigger"]["event_ids"]]

        await tail.until(answers)
        return answers(tail.records)[0]


async def until_listed(worker: WorkerProcess, item_id: str, *, wanted: bool = True) -> dict[str, Any]:
    """The first list of somebody who takes horror in which the item is, or is not."""
    answer: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        answer = await answer_to(worker, horrors(f"user-{time.time_ns()}"))
        if (item_id in ids(answer)) is wanted:
            return answer
    raise AssertionError(f"{item_id} was {'never' if wanted else 'always'} listed: {answer}\n{worker.log}")


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


@pytest.mark.timeout(400)
async def test_an_item_that_came_after_training_is_recommended_by_this_version_and_the_next(
    embedded_broker: EmbeddedBroker, make_worker: MakeWorker, bundles: list[Path], tmp_path: Path
) -> None:
    worker = make_worker(embedded_broker)
    worker.start()
    await worker.ready()
    await announce(worker, bundles[0], registry=tmp_path / "registry")
    await worker.says("model one serves now")
    before = await answer_to(worker, horrors("first"))
    assert before["model"] == {"version": "one", "role": "champion"} and "brand-new" not in ids(before)

    # 1. A new item of a category is in the lists of those who take it, above all of the other category.
    await tell(worker, "brand-new", Item(item_id="brand-new", categories=("Horror",)))
    await tell(worker, "funny", Item(item_id="funny", categories=("Comedy",)))
    async with asyncio.timeout(30):
        while await worker.metric("millstream_item_rows_added") < 2:
            await asyncio.sleep(0.05)
    answer = await until_listed(worker, "brand-new")
    assert answer["model"]["version"] == "one"
    of_comedy = {f"i{number}" for number in range(1, 30, 2)} | {"funny"}
    listed = ids(answer)
    assert not of_comedy & set(listed[: listed.index("brand-new")])

    # 2. Who knows nothing else is known by it, and gets what goes with it; not it again.
    known = await answer_to(worker, [view("newcomer", "brand-new", time.time_ns() // 1_000_000)])
    assert known["model"]["role"] == "champion" and "brand-new" not in ids(known)
    assert known["items"][0]["because"] == [{"item_id": "brand-new", "weight": 1.0}]
    assert len(of_comedy & set(ids(known)[:5])) <= 1

    # 3. It leaves the lists and comes back, as any other.
    await tell(worker, "brand-new", None)
    await until_listed(worker, "brand-new", wanted=False)
    await tell(worker, "brand-new", Item(item_id="brand-new", categories=("Horror",)))
    await until_listed(worker, "brand-new")

    # 4. One of which nothing is told gets none, and the worker says so.
    await tell(worker, "untold", Item(item_id="untold"))
    await worker.says("item 'untold' gets no row in model one: nothing is told of it")
    assert await worker.metric("millstream_items_refused_total") == 1

    # 5. The next version was not trained on it either, and has it from its first list on.
    await announce(worker, bundles[1], registry=tmp_path / "registry")
    await worker.says("model two serves now")
    answer = await answer_to(worker, horrors("second"))
    assert answer["model"]["version"] == "two" and "brand-new" in ids(answer)

    # 6. So has a worker that starts anew.
    await worker.stop()
    worker.start()
    await worker.ready()
    answer = await answer_to(worker, horrors("third"))
    assert answer["model"]["version"] == "two" and "brand-new" in ids(answer)

"""Items that are told of get rows in whatever serves, and a swap loses none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.bundle.hashing import item_hash
from stream_app.domain.messages import Item, encode
from stream_app.scoring.item_tower import ItemTower, TowerRows
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from stream_app.streaming.item_catalogue import ItemCatalogue
from stream_app.streaming.metrics import Metrics
from stream_app.streaming.new_items import NewItems
from tests.tiny_tower import an_item, make_tiny_bundle_with_tower

ITEMS = [f"item-{number}" for number in range(300)]


class Worker:
    """What a worker has of it, without Kafka."""

    def __init__(self) -> None:
        self.scoring, self.items, self.metrics = ScoringThread(), ItemCatalogue(), Metrics()
        self.items.on_availability(self.scoring.set_available)
        self.new_items = NewItems(self.items, scoring=self.scoring, metrics=self.metrics)

    def tell(self, item: Item) -> None:
        assert self.items.apply(item.item_id.encode(), encode(item)) is None

    def serve(self, snapshot: Snapshot) -> None:
        self.new_items.prepare(snapshot)
        self.take(snapshot)

    def take(self, snapshot: Snapshot) -> None:
        self.scoring.swap(snapshot)
        self.new_items.served(snapshot)

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    worker.scoring.start()
    running = asyncio.create_task(worker.new_items.run())
    yield worker
    assert not running.done(), running.exception()
    running.cancel()
    await worker.scoring.stop()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return [make_tiny_bundle_with_tower(folder / f"{n}", ITEMS, seed=n) for n in (1, 2)]


@pytest.fixture
def first(folders: list[Path]) -> Snapshot:
    return load_snapshot(folders[0], device="cpu")


@pytest.fixture
def second(folders: list[Path]) -> Snapshot:
    return load_snapshot(folders[1], device="cpu")


def row(snapshot: Snapshot, item_id: str) -> list[float] | None:
    """The vector of an item, None where it has no row."""
    place = snapshot.vocabulary.row(item_id)
    return snapshot.catalogue.vectors[place].tolist() if place else None


def available(snapshot: Snapshot, item_id: str) -> bool:
    return snapshot.catalogue.is_available(snapshot.vocabulary.row(item_id))


ONES, TWOS = [1.0] * 16, [2.0] * 16


async def test_an_item_that_is_told_of_gets_a_row_and_what_is_told_anew_another(
    worker: Worker, first: Snapshot
) -> None:
    worker.serve(first)
    worker.tell(an_item("new", ONES))
    await until(lambda: row(first, "new") == ONES)
    worker.tell(an_item("new", TWOS))
    await until(lambda: row(first, "new") == TWOS)
    assert worker.metric("millstream_item_rows_added") == 1


async def test_what_was_told_before_there_was_a_model_is_there_from_its_first_batch_on(
    worker: Worker, first: Snapshot
) -> None:
    for number in range(300):
        worker.tell(an_item(f"new-{number}", ONES))
    worker.serve(first)
    assert first.added == 300


async def test_a_trained_item_keeps_its_row(worker: Worker, first: Snapshot) -> None:
    trained = row(first, "item-3")
    worker.serve(first)
    worker.tell(an_item("item-3", ONES))
    worker.tell(an_item("new", ONES))
    await until(lambda: row(first, "new") == ONES)
    assert row(first, "item-3") == trained and first.added == 1


async def test_a_swap_keeps_what_came_since_the_training(
    worker: Worker, first: Snapshot, second: Snapshot
) -> None:
    worker.serve(first)
    worker.tell(an_item("before", ONES))
    worker.new_items.prepare(second)
    worker.tell(an_item("meanwhile", ONES))
    worker.tell(an_item("before", TWOS))
    worker.take(second)
    assert row(second, "before") == ONES
    await until(lambda: row(second, "meanwhile") == ONES and row(second, "before") == TWOS)


async def test_a_load_that_was_given_up_takes_nothing_from_the_one_that_serves(
    worker: Worker, first: Snapshot, second: Snapshot, folders: list[Path]
) -> None:
    worker.serve(first)
    worker.new_items.prepare(second)
    worker.tell(an_item("meanwhile", ONES))
    worker.new_items.prepare(load_snapshot(folders[0], device="cpu"))  # and nobody swaps it in
    worker.take(second)
    await until(lambda: row(second, "meanwhile") == ONES)


async def test_a_retired_item_is_out_in_every_version_and_can_be_brought_back(
    worker: Worker, first: Snapshot, second: Snapshot
) -> None:
    worker.serve(first)
    worker.tell(an_item("new", ONES))
    await until(lambda: row(first, "new") == ONES)
    worker.items.apply(b"new", None)
    worker.tell(an_item("other", ONES))  # what is told later is written later
    await until(lambda: row(first, "other") == ONES)
    assert not available(first, "new")
    worker.serve(second)
    assert row(second, "new") is None
    worker.tell(an_item("new", TWOS))
    await until(lambda: row(second, "new") == TWOS)
    await until(lambda: available(second, "new"))


async def test_an_item_that_is_not_published_yet_has_a_row_and_is_in_no_list(
    worker: Worker, first: Snapshot
) -> None:
    worker.serve(first)
    worker.tell(replaced(an_item("ahead", ONES), published_at=2**60))
    await until(lambda: row(first, "ahead") == ONES)
    assert not available(first, "ahead")


async def test_an_item_that_is_not_available_gets_its_row_when_it_is(worker: Worker, first: Snapshot) -> None:
    worker.tell(replaced(an_item("archived", ONES), available=False))
    worker.serve(first)
    worker.tell(replaced(an_item("out", ONES), available=False))
    worker.tell(an_item("new", ONES))
    await until(lambda: row(first, "new") == ONES)
    assert row(first, "out") is None and row(first, "archived") is None
    for name in ("out", "archived"):
        worker.tell(an_item(name, TWOS))
        await until(lambda name=name: row(first, name) == TWOS and available(first, name))


async def test_what_is_told_and_not_read_is_said_once(
    worker: Worker, first: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    worker.serve(first)
    with caplog.at_level(logging.WARNING):
        for name in ("new", "newer"):
            worker.tell(Item(item_id=name, embedding=(1.0, 2.0), features={"bias": 0.5}))
            await until(lambda name=name: row(first, name) is not None)
    assert [record.getMessage() for record in caplog.records] == [
        f"model {first.version} does not read all that is told of 1 items (embedding of another length), but "
        "the rest of it"
    ]


async def test_items_of_which_nothing_usable_is_told_are_counted_and_named_once(
    worker: Worker, first: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    worker.tell(Item(item_id="before", title="unread"))
    with caplog.at_level(logging.WARNING):
        worker.serve(first)
        for number in range(5):
            worker.tell(Item(item_id=f"untold-{number}", embedding=(1.0,), features={"bias": "1"}))
        worker.tell(an_item("new", ONES))
        await until(lambda: row(first, "new") == ONES)
    assert worker.metric("millstream_items_refused_total") == 6
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "no row" in line] == [
        f"item 'before' gets no row in model {first.version}: nothing is told of it that the model reads "
        "(numbers, embedding); send more of its fields, or train again once it has events "
        "(others like it are counted in millstream_items_refused)"
    ]


async def test_without_a_tower_or_a_model_items_are_passed_over(worker: Worker, first: Snapshot) -> None:
    worker.tell(an_item("before", ONES))
    without = replace(first, tower=None)
    worker.serve(without)
    worker.tell(an_item("new", ONES))
    await until(lambda: not worker.new_items.waiting)
    assert (without.added, worker.metric("millstream_items_refused_total")) == (0, 0)
    worker.scoring.swap(None)
    assert worker.metric("millstream_item_rows_added") == 0


def replaced(item: Item, **told: Any) -> Item:
    return msgspec.structs.replace(item, **told)


class Failing(ItemTower):
    """A tower whose session fails at one item."""

    def rows(self, items: object) -> TowerRows:
        assert isinstance(items, list)
        if any(item.item_id == "poison" for item in items):
            raise RuntimeError("out of memory")
        return super().rows(items)


async def test_a_tower_that_fails_loses_no_other_items(
    worker: Worker, first: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    assert first.tower is not None
    failing = Failing(first.tower._session, first.tower.schema, width=16)
    worker.serve(replace(first, tower=failing))
    for name in ("good", "poison", "new"):  # made together
        worker.tell(an_item(name, ONES))
    await until(lambda: row(first, "good") == row(first, "new") == ONES)
    await until(lambda: worker.metric("millstream_items_refused_total") == 1)
    assert "the tower failed (RuntimeError)" in caplog.text


async def test_a_tower_that_fails_keeps_no_model_from_serving(
    worker: Worker, first: Snapshot, second: Snapshot
) -> None:
    assert first.tower is not None
    worker.tell(an_item("poison", ONES))
    failing = replace(first, tower=Failing(first.tower._session, first.tower.schema, width=16))
    worker.serve(failing)
    assert failing.added == 0
    worker.serve(second)
    assert row(second, "poison") == ONES


async def test_items_that_come_while_events_are_scored_are_all_written(
    worker: Worker, first: Snapshot
) -> None:
    worker.serve(first)
    for number in range(700):
        worker.tell(an_item(f"new-{number}", np.full(16, number % 9)))
        if number % 50 == 0:
            await asyncio.sleep(0)
    await until(lambda: first.added == 700)
    rows = first.vocabulary.rows(np.array([item_hash(f"new-{n}") for n in range(700)], dtype=np.uint64))
    # A row has its name first, its bias last.
    await until(lambda: all(first.catalogue.is_available(row) for row in rows.tolist()))
    assert first.catalogue.vectors[rows, 0].tolist() == [number % 9 for number in range(700)]

"""Rows for items that came after training: written, ranked and decoded."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.hashing import item_hash
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.history import ENTRY, FORMAT, HEADER
from stream_app.domain.messages import Item
from stream_app.domain.ranking import Ranked, rank
from stream_app.scoring.item_tower import ItemTower
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.requests import Scored
from stream_app.scoring.scorer import Scorer
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from tests.tiny_tower import an_item, make_tiny_bundle_with_tower

ITEMS = [f"item-{number}" for number in range(300)]
NOW_MS = 1_700_000_000_000


def a_record(*item_ids: str) -> bytes:
    """A packed history, oldest first."""
    entries = [
        ENTRY.pack(item_hash(item), (NOW_MS - 60_000 * age) << 8 | 5)
        for age, item in enumerate(reversed(item_ids))
    ]
    return HEADER.pack(FORMAT, 0, 0, NOW_MS, 0) + b"".join(reversed(entries))


def tower_of(snapshot: Snapshot) -> ItemTower:
    assert snapshot.tower is not None
    return snapshot.tower


def like(snapshot: Snapshot, known: str, item_id: str) -> Item:
    """An item that whoever has taken `known` must get first: its vector, three times as long."""
    return an_item(item_id, 3 * snapshot.catalogue.vectors[snapshot.vocabulary.row(known)], bias=9)


def listed(scored: Scored, *, k: int = 10) -> list[list[str]]:
    """The ids of each list, as a worker decodes them."""
    lists = rank(scored.ranked, scored.item_ids, scored.snapshot.vocabulary, k=k)
    return [[item.item_id for item in one.items] for one in lists]


async def ask(scoring: ScoringThread, *records: bytes) -> Scored:
    scored = await scoring.score(list(records), [NOW_MS] * len(records))
    assert scored is not None
    return scored


@pytest.fixture(scope="module", params=["float32", "float16"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle_with_tower(
        tmp_path_factory.mktemp("bundle"), ITEMS, seed=1, catalogue_dtype=request.param
    )


@pytest.fixture
def snapshot(folder: Path) -> Snapshot:
    return load_snapshot(folder, device="cpu")


def test_items_that_are_added_get_rows_and_those_that_were_trained_keep_theirs(snapshot: Snapshot) -> None:
    before = snapshot.catalogue.vectors.copy()
    items = [an_item("new", np.arange(16), bias=2), an_item("item-5", np.ones(16)), Item(item_id="untold")]
    given = snapshot.add_items(items)
    assert given is not None and [item_id for item_id, _ in given.refused] == ["untold"]
    assert (snapshot.added, snapshot.vocabulary.row("new"), snapshot.vocabulary.row("untold")) == (1, 301, 0)
    assert snapshot.catalogue.vectors[301].tolist() == list(range(16))
    assert snapshot.catalogue.bias[301] == 2
    np.testing.assert_array_equal(snapshot.catalogue.vectors[:301], before[:301])


def test_another_telling_changes_the_row_and_adds_none(snapshot: Snapshot) -> None:
    snapshot.add_items([an_item("new", np.zeros(16), bias=1)])
    snapshot.add_items([an_item("new", np.ones(16), bias=2), an_item("new", np.full(16, 5), bias=3)])
    assert snapshot.added == 1
    assert (snapshot.catalogue.vectors[301] == 5).all() and snapshot.catalogue.bias[301] == 3


def test_an_item_that_is_out_gets_its_row_and_waits(snapshot: Snapshot) -> None:
    snapshot.add_items([an_item("new", np.ones(16), bias=2)], unavailable_hashes={item_hash("new")})
    assert not snapshot.catalogue.is_available(301)
    snapshot.set_available([item_hash("new")], available=True)
    assert snapshot.catalogue.bias[301] == 2


def test_more_items_than_there_are_spare_rows_are_added_too(snapshot: Snapshot) -> None:
    rows = snapshot.catalogue.rows
    many = [an_item(f"new-{number}", np.full(16, number % 7), bias=number % 5) for number in range(1_000)]
    snapshot.add_items(many)
    assert snapshot.added == 1_000 and snapshot.catalogue.rows > rows
    assert snapshot.vocabulary.row("new-999") == 1_300
    assert (snapshot.catalogue.vectors[1_300] == 999 % 7).all()


@pytest.mark.parametrize("value", [1e20, -1e5])
def test_a_vector_that_would_spoil_every_score_is_refused(snapshot: Snapshot, value: float) -> None:
    given = snapshot.add_items([an_item("huge", np.full(16, value))])
    assert given is not None and given.refused == (("huge", "the tower's answer is beyond all bounds"),)
    assert snapshot.added == 0


def test_a_version_without_a_tower_gives_no_rows(snapshot: Snapshot) -> None:
    without = replace(snapshot, tower=None)
    assert without.add_items([an_item("new", np.ones(16))]) is None
    assert without.added == 0


class Gate:
    """A real scorer that waits before each batch until it is let through."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.version, self.max_length, self.k_limit = scorer.version, scorer.max_length, scorer.k_limit
        self.reached, self.open = threading.Event(), threading.Event()

    def score(self, inputs: ModelInputs) -> Ranked:
        self.reached.set()
        assert self.open.wait(10)
        return self._scorer.score(inputs)


@pytest.mark.parametrize("threads", [1, 2])
async def test_a_row_is_in_force_from_the_next_batch_on(snapshot: Snapshot, threads: int) -> None:
    scoring = ScoringThread(max_batch=8, threads=threads)
    scoring.start()
    scoring.swap(snapshot)
    record = a_record("item-7")
    assert "new" not in listed(await ask(scoring, record))[0]
    scoring.write_rows(snapshot, tower_of(snapshot).rows([like(snapshot, "item-7", "new")]))
    assert listed(await ask(scoring, record))[0][0] == "new"
    # Who has taken it is not given it again; known as it is, it is a reason, too.
    scored = await ask(scoring, a_record("new"))
    assert scored.item_ids[0, -1] == 301 and "new" not in listed(scored)[0]
    await scoring.stop()


async def test_a_row_is_written_where_nobody_asks(snapshot: Snapshot) -> None:
    scoring = ScoringThread()
    scoring.start()
    scoring.swap(snapshot)
    scoring.write_rows(snapshot, tower_of(snapshot).rows([an_item("new", np.ones(16))]))
    async with asyncio.timeout(10):
        while not snapshot.added:
            await asyncio.sleep(0)
    await scoring.stop()


async def test_what_is_in_flight_meanwhile_is_decoded(snapshot: Snapshot) -> None:
    gate = Gate(snapshot.scorer)
    waiting = replace(snapshot, scorer=gate)
    scoring = ScoringThread(max_batch=8, threads=2)
    scoring.start()
    scoring.swap(waiting)
    asked = asyncio.create_task(ask(scoring, a_record("item-7")))
    assert await asyncio.to_thread(gate.reached.wait, 10)
    # The other thread writes 1,000 rows, and the table grows, while the batch is under way.
    many = [like(snapshot, "item-7", f"new-{number}") for number in range(1_000)]
    before = snapshot.catalogue.revision
    scoring.write_rows(waiting, tower_of(snapshot).rows(many))
    async with asyncio.timeout(10):
        while snapshot.catalogue.revision == before:  # the biases come last, after the names
            await asyncio.sleep(0.005)
    assert snapshot.added == 1_000
    gate.open.set()
    assert all(item_id in snapshot.vocabulary.item_ids for item_id in listed(await asked)[0])
    assert all(item_id.startswith("new-") for item_id in listed(await ask(scoring, a_record("item-7")))[0])
    await scoring.stop()


@pytest.mark.parametrize("threads", [1, 2])
async def test_rows_that_are_added_while_many_ask_are_always_decoded(
    snapshot: Snapshot, threads: int
) -> None:
    scoring = ScoringThread(max_batch=8, threads=threads)
    scoring.start()
    scoring.swap(snapshot)
    known, there = set(ITEMS), 0

    async def keep_asking() -> None:
        nonlocal there
        while there < 300:
            for ids in listed(await ask(scoring, *[a_record("item-7", "item-8")] * 16)):
                assert len(ids) == 10 and set(ids) <= known

    async def keep_adding() -> None:
        nonlocal there
        for there in range(1, 301):
            known.add(f"new-{there}")
            rows = tower_of(snapshot).rows([like(snapshot, "item-7", f"new-{there}")])
            scoring.write_rows(snapshot, rows)
            await asyncio.sleep(0)

    await asyncio.gather(keep_asking(), keep_asking(), keep_adding())
    assert all(one.startswith("new-") for one in listed(await ask(scoring, a_record("item-7")))[0])
    await scoring.stop()


async def test_availability_holds_for_rows_that_come_after_it_was_told(snapshot: Snapshot) -> None:
    scoring = ScoringThread()
    scoring.start()
    scoring.swap(snapshot)
    scoring.set_available(item_hash("new"), available=False)
    scoring.write_rows(snapshot, tower_of(snapshot).rows([like(snapshot, "item-7", "new")]))
    assert "new" not in listed(await ask(scoring, a_record("item-7")))[0]
    scoring.set_available(item_hash("new"), available=True)
    assert listed(await ask(scoring, a_record("item-7")))[0][0] == "new"
    await scoring.stop()

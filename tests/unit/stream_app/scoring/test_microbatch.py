from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.hashing import item_hash
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.domain.history import ENTRY, FORMAT, HEADER
from stream_app.domain.ranking import Ranked
from stream_app.scoring.microbatch import ScoringDead, ScoringThread
from stream_app.scoring.requests import Scored
from stream_app.scoring.scorer import Scorer
from stream_app.scoring.snapshot import Snapshot, load_snapshot
from tests.tiny_bundle import make_tiny_bundle

ITEMS = [f"item-{i}" for i in range(300)]
NOW_MS = 1_700_000_000_000


def records_of(users: int, *, seed: int = 0) -> list[bytes]:
    """Packed histories of 1 to 40 events; each another."""
    random = np.random.default_rng(seed)
    return [
        HEADER.pack(FORMAT, 0, 0, NOW_MS, 0)
        + b"".join(
            ENTRY.pack(item_hash(ITEMS[item]), (NOW_MS - 60_000 * age) << 8 | 5)
            for age, item in enumerate(random.integers(0, 300, size=random.integers(1, 41)))
        )
        for _ in range(users)
    ]


def alone(snapshot: Snapshot, record: bytes) -> list[int]:
    """What the snapshot answers for one history by itself."""
    inputs = encode([record], [NOW_MS], snapshot.vocabulary, max_length=snapshot.scorer.max_length)
    return snapshot.scorer.score(inputs).topk_ids[0].tolist()


async def ask(scoring: ScoringThread, records: list[bytes]) -> Scored:
    scored = await scoring.score(records, [NOW_MS] * len(records))
    assert scored is not None
    return scored


class Gate:
    """A real scorer that waits before each batch until it is let through, and notes how large batches are."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.version, self.max_length, self.k_limit = scorer.version, scorer.max_length, scorer.k_limit
        self.batches: list[int] = []
        self.reached = threading.Event()
        self.open = threading.Event()
        self.fails_with: BaseException | None = None

    def score(self, inputs: ModelInputs) -> Ranked:
        self.batches.append(len(inputs))
        self.reached.set()
        assert self.open.wait(10)
        if self.fails_with is not None:
            raise self.fails_with
        return self._scorer.score(inputs)


def gated(snapshot: Snapshot) -> tuple[Snapshot, Gate]:
    gate = Gate(snapshot.scorer)
    return replace(snapshot, scorer=gate), gate


async def reached(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 10)
    gate.reached.clear()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return make_tiny_bundle(folder / "a", ITEMS, seed=1), make_tiny_bundle(folder / "b", ITEMS, seed=2)


@pytest.fixture
def first(folders: tuple[Path, Path]) -> Snapshot:
    return load_snapshot(folders[0], device="cpu")


@pytest.fixture
def second(folders: tuple[Path, Path]) -> Snapshot:
    return load_snapshot(folders[1], device="cpu")


@pytest.fixture(params=[1, 2], ids=["one-thread", "two-threads"])
async def scoring(request: pytest.FixtureRequest) -> AsyncIterator[ScoringThread]:
    thread = ScoringThread(max_batch=8, threads=request.param)
    thread.start()
    yield thread
    await thread.stop()


async def test_without_a_model_there_is_no_answer(scoring: ScoringThread) -> None:
    assert await scoring.score(records_of(2), [NOW_MS, NOW_MS]) is None


@pytest.mark.parametrize("users", [1, 7, 8, 9, 50])
async def test_each_row_is_answered_as_if_it_were_alone(
    scoring: ScoringThread, first: Snapshot, users: int
) -> None:
    scoring.swap(first)
    records = records_of(users)
    scored = await ask(scoring, records)
    assert scored.snapshot is first
    assert scored.ranked.topk_ids.tolist() == [alone(first, record) for record in records]
    assert scored.ranked.attention.shape == scored.item_ids.shape == (users, 20)
    expected = encode(records, [NOW_MS] * users, first.vocabulary, max_length=20)
    np.testing.assert_array_equal(scored.item_ids, expected.item_ids)


async def test_many_callers_at_once_get_their_own_answers(scoring: ScoringThread, first: Snapshot) -> None:
    scoring.swap(first)
    asked = [records_of(size, seed=size) for size in (1, 2, 3, 5, 8, 13, 21, 1, 1, 1)]
    answers = await asyncio.gather(*(ask(scoring, records) for records in asked))
    for records, scored in zip(asked, answers, strict=True):
        assert scored.ranked.topk_ids.tolist() == [alone(first, record) for record in records]


async def test_no_rows_get_an_empty_answer(scoring: ScoringThread, first: Snapshot) -> None:
    scoring.swap(first)
    scored = await ask(scoring, [])
    assert scored.ranked.topk_ids.shape == (0, 100) and scored.item_ids.shape == (0, 20)


async def test_a_moment_for_each_record_is_required(scoring: ScoringThread, first: Snapshot) -> None:
    scoring.swap(first)
    with pytest.raises(ValueError, match="found 1 for 2"):
        await scoring.score(records_of(2), [NOW_MS])


async def test_what_queued_up_meanwhile_is_scored_together(first: Snapshot) -> None:
    snapshot, gate = gated(first)
    scoring = ScoringThread(max_batch=8)
    scoring.start()
    scoring.swap(snapshot)
    # The first is scored at once, alone; 3 + 4 + 6 rows wait and become batches of 8 and 5.
    tasks = [asyncio.create_task(ask(scoring, records_of(1)))]
    await reached(gate)
    tasks += [asyncio.create_task(ask(scoring, records_of(size))) for size in (3, 4, 6)]
    await asyncio.sleep(0)
    assert scoring.pending_rows == 14
    gate.open.set()
    await asyncio.gather(*tasks)
    assert gate.batches == [1, 8, 5]
    assert scoring.pending_rows == 0
    await scoring.stop()


async def test_a_request_in_flight_keeps_its_model_and_the_next_has_the_new_one(
    first: Snapshot, second: Snapshot
) -> None:
    snapshot, gate = gated(first)
    scoring = ScoringThread(max_batch=8)
    scoring.start()
    scoring.swap(snapshot)
    records = records_of(20)
    old = asyncio.create_task(ask(scoring, records))
    await reached(gate)
    scoring.swap(second)
    new = asyncio.create_task(ask(scoring, records))
    await asyncio.sleep(0)
    gate.open.set()
    assert (await old).snapshot is snapshot
    assert (await old).ranked.topk_ids.tolist() == [alone(first, record) for record in records]
    assert (await new).snapshot is second
    assert (await new).ranked.topk_ids.tolist() == [alone(second, record) for record in records]
    await scoring.stop()


async def test_swaps_under_load_never_mix_two_models(
    scoring: ScoringThread, first: Snapshot, second: Snapshot
) -> None:
    records = records_of(30)
    right = {s.version: [alone(s, record) for record in records] for s in (first, second)}
    scoring.swap(first)
    seen: set[str] = set()

    async def keep_asking() -> None:
        for _ in range(15):
            scored = await ask(scoring, records)
            seen.add(scored.snapshot.version)
            assert scored.ranked.topk_ids.tolist() == right[scored.snapshot.version]

    async def keep_swapping() -> None:
        for turn in range(40):
            scoring.swap((second, first)[turn % 2])
            await asyncio.sleep(0.001)

    await asyncio.gather(keep_asking(), keep_asking(), keep_swapping())
    assert seen == {first.version, second.version}


async def test_an_unavailable_item_is_in_no_list_from_the_next_request_on(
    scoring: ScoringThread, first: Snapshot
) -> None:
    scoring.swap(first)
    record = records_of(1)
    best = int((await ask(scoring, record)).ranked.topk_ids[0, 0])
    gone = item_hash(first.vocabulary.item_id(best))
    scoring.set_available(gone, available=False)
    assert best not in (await ask(scoring, record)).ranked.topk_ids
    scoring.set_available(gone, available=True)
    assert int((await ask(scoring, record)).ranked.topk_ids[0, 0]) == best


async def test_availability_holds_for_a_model_swapped_in_later(
    scoring: ScoringThread, first: Snapshot, second: Snapshot
) -> None:
    gone, back = item_hash("item-3"), item_hash("item-4")
    scoring.set_available(gone, available=False)
    scoring.set_available(back, available=False)
    # Loaded when both were out; one came back while it was loading.
    second.set_unavailable(scoring_hashes := [gone, back])
    assert set(scoring_hashes) == scoring.unavailable_hashes
    scoring.set_available(back, available=True)
    scoring.swap(second)
    await ask(scoring, records_of(1))
    assert not second.catalogue.is_available(second.vocabulary.row("item-3"))
    assert second.catalogue.is_available(second.vocabulary.row("item-4"))


async def test_of_several_changes_of_one_item_the_last_holds(scoring: ScoringThread, first: Snapshot) -> None:
    scoring.swap(first)
    for available in (False, True, False, True, False):
        scoring.set_available(item_hash("item-3"), available=available)
    for available in (False, True):
        scoring.set_available(item_hash("item-4"), available=available)
    await ask(scoring, records_of(1))
    assert not first.catalogue.is_available(first.vocabulary.row("item-3"))
    assert first.catalogue.is_available(first.vocabulary.row("item-4"))


@pytest.mark.parametrize("threads", [1, 2])
async def test_when_the_thread_dies_all_pending_and_later_requests_fail(
    first: Snapshot, threads: int
) -> None:
    snapshot, gate = gated(first)
    gate.fails_with = RuntimeError("out of device memory")
    scoring = ScoringThread(max_batch=8, threads=threads)
    scoring.start()
    scoring.swap(snapshot)
    tasks = [asyncio.create_task(ask(scoring, records_of(20))) for _ in range(3)]
    await reached(gate)
    gate.open.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert [type(answer) for answer in answers] == [ScoringDead] * 3
    with pytest.raises(ScoringDead, match=r"out of device memory.*restart the worker") as caught:
        await ask(scoring, records_of(1))
    assert caught.value.__cause__ is gate.fails_with
    await scoring.stop()


async def test_a_record_that_cannot_be_read_ends_scoring_rather_than_passing(
    scoring: ScoringThread, first: Snapshot
) -> None:
    scoring.swap(first)
    with pytest.raises(ScoringDead):
        await ask(scoring, [b"x" * 40])


async def test_stopping_fails_what_is_pending_and_ends_the_threads(first: Snapshot) -> None:
    snapshot, gate = gated(first)
    scoring = ScoringThread(max_batch=8, threads=2)
    scoring.start()
    scoring.swap(snapshot)
    task = asyncio.create_task(ask(scoring, records_of(40)))
    await reached(gate)
    gate.open.set()
    await scoring.stop()
    with pytest.raises(ScoringDead, match="the worker stops"):
        await task
    assert [t for t in threading.enumerate() if t.name.startswith("scoring-")] == []


async def test_rows_of_a_caller_that_gave_up_are_not_scored(first: Snapshot) -> None:
    snapshot, gate = gated(first)
    scoring = ScoringThread(max_batch=8)
    scoring.start()
    scoring.swap(snapshot)
    kept = asyncio.create_task(ask(scoring, records_of(1)))
    await reached(gate)
    given_up = asyncio.create_task(ask(scoring, records_of(20)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    last = asyncio.create_task(ask(scoring, records_of(3)))
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(kept, last)
    assert sum(gate.batches) == 4
    assert scoring.pending_rows == 0
    await scoring.stop()


async def test_asking_before_the_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"call start\(\)"):
        await ScoringThread().score([], [])


@pytest.mark.parametrize(("max_batch", "threads"), [(0, 1), (8, 0), (8, 3)])
def test_senseless_settings_are_refused(max_batch: int, threads: int) -> None:
    with pytest.raises(ValueError):
        ScoringThread(max_batch=max_batch, threads=threads)

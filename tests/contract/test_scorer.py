"""What every scorer promises, whatever runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.signature import NO_CANDIDATE_SCORE
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from tests.contract.scorers import ITEMS, K_LIMIT, KINDS, MAX_LENGTH, TINY, Subject, make
from tests.tiny_bundle import random_inputs, reference

COLUMNS = ("topk_ids", "topk_scores", "attention")


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    return make(request.param, tmp_path)


@pytest.fixture
def inputs() -> ModelInputs:
    return random_inputs(np.random.default_rng(1), batch=7, max_length=MAX_LENGTH, items=ITEMS)


def rows_of(inputs: ModelInputs, chosen: slice) -> ModelInputs:
    return ModelInputs(
        inputs.item_ids[chosen],
        inputs.event_types[chosen],
        inputs.time_deltas[chosen],
        inputs.exclude_ids[chosen],
    )


def assert_same(found: Ranked, expected: Ranked) -> None:
    np.testing.assert_array_equal(found.topk_ids, expected.topk_ids)
    np.testing.assert_allclose(found.topk_scores, expected.topk_scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.attention, expected.attention, rtol=1e-4, atol=1e-6)


def test_it_says_what_it_is(subject: Subject) -> None:
    assert (subject.scorer.max_length, subject.scorer.k_limit) == (MAX_LENGTH, K_LIMIT)
    assert subject.scorer.version


def test_answers_have_the_promised_shapes_and_types(subject: Subject, inputs: ModelInputs) -> None:
    ranked = subject.scorer.score(inputs)
    assert (ranked.topk_ids.shape, ranked.topk_ids.dtype) == ((7, K_LIMIT), np.int32)
    assert (ranked.topk_scores.shape, ranked.topk_scores.dtype) == ((7, K_LIMIT), np.float32)
    assert (ranked.attention.shape, ranked.attention.dtype) == ((7, MAX_LENGTH), np.float32)


@pytest.mark.parametrize("subject", TINY, indirect=True)
def test_it_answers_as_the_reference_does(subject: Subject, inputs: ModelInputs) -> None:
    expected = reference(inputs, subject.catalogue.vectors, subject.catalogue.bias, K_LIMIT)
    assert_same(subject.scorer.score(inputs), expected)


def test_the_best_come_first(subject: Subject, inputs: ModelInputs) -> None:
    scores = subject.scorer.score(inputs).topk_scores
    assert (np.diff(scores, axis=1) <= 0).all()


def test_no_item_is_ranked_twice_and_padding_never(subject: Subject, inputs: ModelInputs) -> None:
    for ids in subject.scorer.score(inputs).topk_ids.tolist():
        assert len(set(ids)) == K_LIMIT
        assert min(ids) > 0 and max(ids) <= ITEMS


def test_excluded_items_are_not_ranked(subject: Subject, inputs: ModelInputs) -> None:
    before = subject.scorer.score(inputs)
    exclude = np.concatenate([inputs.exclude_ids, before.topk_ids[:, :32]], axis=1)
    after = subject.scorer.score(replace(inputs, exclude_ids=exclude))
    np.testing.assert_array_equal(after.topk_ids[:, : K_LIMIT - 32], before.topk_ids[:, 32:])


def test_a_place_without_candidate_is_zero(subject: Subject, inputs: ModelInputs) -> None:
    everything_but = 10
    exclude = np.tile(np.arange(1, ITEMS - everything_but + 1, dtype=np.int32), (7, 1))
    exclude = np.pad(exclude, ((0, 0), (0, -exclude.shape[1] % 32)))
    ranked = subject.scorer.score(replace(inputs, exclude_ids=exclude))
    assert (ranked.topk_ids[:, :everything_but] > ITEMS - everything_but).all()
    assert (ranked.topk_ids[:, everything_but:] == 0).all()
    assert (ranked.topk_scores[:, everything_but:] <= NO_CANDIDATE_SCORE).all()


def test_an_unavailable_item_is_out_at_once_and_back_at_once(subject: Subject, inputs: ModelInputs) -> None:
    before = subject.scorer.score(inputs)
    best = int(before.topk_ids[0, 0])
    subject.catalogue.set_available(best, available=False)
    assert best not in subject.scorer.score(inputs).topk_ids
    subject.catalogue.set_available(best, available=True)
    assert_same(subject.scorer.score(inputs), before)


def give_rows(subject: Subject, rows: range, *, like: int) -> None:
    """Rows with the vector of another, each ranked a little above the one before it, and above that other."""
    catalogue = subject.catalogue
    catalogue.make_room(rows.stop - 1)
    catalogue.write(
        np.array(rows),
        vectors=np.repeat(catalogue.vectors[[like]], len(rows), axis=0),
        bias=catalogue.bias[like] + np.arange(1, len(rows) + 1, dtype=np.float32),
        available=np.ones(len(rows), dtype=np.bool_),
    )


@pytest.mark.parametrize("count", [1, 5, 600], ids=lambda count: f"{count}-rows")
def test_rows_that_are_added_are_ranked_from_the_next_batch_on(
    subject: Subject, inputs: ModelInputs, count: int
) -> None:
    before = subject.scorer.score(inputs)
    capacity, best = subject.catalogue.rows, int(before.topk_ids[0, 0])
    rows = range(ITEMS + 1, ITEMS + 1 + count)
    give_rows(subject, rows, like=best)
    assert (subject.catalogue.rows > capacity) == (count == 600)
    after = subject.scorer.score(inputs)
    top = min(count, K_LIMIT)
    assert after.topk_ids[0, :top].tolist() == list(reversed(rows))[:top]
    expected = before.topk_scores[0, 0] + np.arange(count, count - top, -1)
    np.testing.assert_allclose(after.topk_scores[0, :top], expected, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(after.attention, before.attention, atol=1e-6)
    # They can be read in a history, excluded, and taken out.
    seen = replace(
        inputs,
        item_ids=np.where(inputs.item_ids == best, rows[0], inputs.item_ids).astype(np.int32),
        exclude_ids=np.concatenate([inputs.exclude_ids, np.full((7, 32), rows[-1], np.int32)], axis=1),
    )
    assert rows[-1] not in subject.scorer.score(seen).topk_ids
    subject.catalogue.set_available(np.array(rows), available=False)
    assert_same(subject.scorer.score(inputs), before)


def test_attention_is_a_distribution_over_the_real_positions(subject: Subject, inputs: ModelInputs) -> None:
    attention = subject.scorer.score(inputs).attention
    empty = (inputs.item_ids == 0).all(axis=1)
    assert empty.any() and not empty.all()
    assert (attention >= 0).all()
    assert not attention[inputs.item_ids == 0].any()
    np.testing.assert_allclose(attention.sum(axis=1), np.where(empty, 0.0, 1.0), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_row_is_answered_alike_in_any_batch(subject: Subject, inputs: ModelInputs, batch: int) -> None:
    whole = subject.scorer.score(inputs)
    for start in range(0, 7, batch):
        chosen = slice(start, start + batch)
        part = subject.scorer.score(rows_of(inputs, chosen))
        assert_same(part, Ranked(*(getattr(whole, name)[chosen] for name in COLUMNS)))


def test_answers_stay_as_they_are_when_the_next_batch_is_scored(
    subject: Subject, inputs: ModelInputs
) -> None:
    first = subject.scorer.score(inputs)
    kept = Ranked(*(getattr(first, name).copy() for name in COLUMNS))
    subject.scorer.score(rows_of(inputs, slice(None, None, -1)))
    assert_same(first, kept)


@pytest.mark.parametrize("row", [-1, 512, 2**31 - 1])
@pytest.mark.parametrize("name", ["item_ids", "exclude_ids"])
def test_rows_beyond_the_catalogue_are_refused(
    subject: Subject, inputs: ModelInputs, name: str, row: int
) -> None:
    spoilt = getattr(inputs, name).copy()
    spoilt[3, -1] = row
    with pytest.raises(ValueError):
        subject.scorer.score(replace(inputs, **{name: spoilt}))


@pytest.mark.parametrize("name", ["item_ids", "event_types", "time_deltas"])
def test_another_length_is_refused(subject: Subject, inputs: ModelInputs, name: str) -> None:
    with pytest.raises(ValueError):
        subject.scorer.score(replace(inputs, **{name: getattr(inputs, name)[:, 1:]}))

"""The best k of a row of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.evaluation.ragged import ragged_of
from training.evaluation.top_k import top_k


def slowly(scores: list[float], seen: list[int], k: int) -> list[int]:
    """One row, by the rule as it is written."""
    candidates = [
        code
        for code, score in enumerate(scores)
        if code not in seen and not math.isnan(score) and score != -math.inf
    ]
    best = sorted(candidates, key=lambda code: (-scores[code], code))[:k]
    return best + [-1] * (k - len(best))


def best_of(rows: list[list[float]], seen: list[list[int]], k: int) -> list[list[int]]:
    return top_k(np.array(rows, dtype=np.float32), ragged_of(seen), k=k).tolist()


SCORE = st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 0.25, 3.0, math.inf, math.nan])


@settings(deadline=None)
@given(data=st.data(), batch=st.integers(1, 4), items=st.integers(1, 12), k=st.integers(1, 15))
def test_it_is_the_rule_read_slowly(data: st.DataObject, batch: int, items: int, k: int) -> None:
    scores = data.draw(arrays(np.float32, (batch, items), elements=SCORE))
    codes = st.lists(st.integers(0, items - 1), max_size=items + 2)
    seen = data.draw(st.lists(codes, min_size=batch, max_size=batch))
    expected = [slowly(row, codes, k) for row, codes in zip(scores.tolist(), seen, strict=True)]
    found = top_k(scores, ragged_of(seen), k=k)
    assert found.tolist() == expected
    assert found.dtype == np.int32


@pytest.mark.parametrize("k", [1, 10, 100, 500])
@pytest.mark.parametrize("levels", [1, 5, 10**6])
def test_large_rows_are_ranked_alike_with_and_without_ties(levels: int, k: int) -> None:
    random = np.random.default_rng(levels)
    rows = np.floor(random.random((5, 300)) * levels).astype(np.float32)
    seen = [random.integers(0, 300, count).tolist() for count in (0, 1, 50, 200, 600)]
    expected = [slowly(row, codes, k) for row, codes in zip(rows.tolist(), seen, strict=True)]
    assert top_k(rows, ragged_of(seen), k=k).tolist() == expected


def test_of_equal_scores_the_lower_code_comes_first() -> None:
    assert best_of([[1, 2, 1, 2, 1]], [[]], k=4) == [[1, 3, 0, 2]]


def test_ties_at_the_end_of_the_list_are_cut_by_code() -> None:
    assert best_of([[0, 0, 9, 0, 0]], [[]], k=3) == [[2, 0, 1]]


def test_a_seen_item_is_never_listed_however_high_it_scores() -> None:
    assert best_of([[9, 1, 2], [9, 1, 2]], [[0, 0], [2]], k=2) == [[2, 1], [0, 1]]


def test_minus_infinity_and_nan_are_no_candidates() -> None:
    assert best_of([[-math.inf, math.nan, 0, -5]], [[]], k=3) == [[2, 3, -1]]
    assert best_of([[math.nan, math.nan]], [[]], k=1) == [[-1]]


def test_a_catalogue_below_k_leaves_places_empty() -> None:
    assert best_of([[1, 3, 2]], [[1]], k=5) == [[2, 0, -1, -1, -1]]


def test_who_has_seen_everything_gets_nothing() -> None:
    assert best_of([[1, 3, 2], [1, 3, 2]], [[2, 0, 1], []], k=2) == [[-1, -1], [1, 2]]


def test_no_rows_give_no_lists() -> None:
    assert top_k(np.zeros((0, 4), dtype=np.float32), ragged_of([]), k=3).shape == (0, 3)

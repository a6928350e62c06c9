"""What lists are like beyond what was hit."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics.pairwise import cosine_similarity

from training.evaluation import beyond_accuracy
from training.evaluation.beyond_accuracy import coverage, diversity, exposure_gini, novelty, popularity_lift

NOTHING = np.full((3, 2), -1, dtype=np.int32)


def listed(*rows: list[int]) -> NDArray[np.int32]:
    return np.array(rows, dtype=np.int32)


@pytest.fixture
def random_lists() -> NDArray[np.int32]:
    """Fifty lists of up to six of thirty items, some short, one empty."""
    random = np.random.default_rng(0)
    lists = np.stack([random.permutation(30)[:6] for _ in range(50)]).astype(np.int32)
    for row, kept in enumerate(random.integers(1, 7, 50)):
        lists[row, kept:] = -1
    lists[7] = -1
    return lists


@pytest.fixture
def in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beyond_accuracy, "_BLOCK", 7)


def test_coverage_counts_each_item_once() -> None:
    assert coverage(listed([0, 1], [1, -1]), items=8) == 0.25
    assert coverage(NOTHING, items=8) == 0.0


def test_novelty_is_in_bits_and_finite_for_an_item_that_never_occurred() -> None:
    """With one event added to each of 3 items p is 5/8, 2/8 and 1/8."""
    counts = np.array([4, 1, 0])
    assert novelty(listed([1, -1]), counts) == pytest.approx(2.0)
    assert novelty(listed([1, 2]), counts) == pytest.approx(2.5)
    assert novelty(listed([2, -1], [1, 2]), counts) == pytest.approx((3 + 2 + 3) / 3)


def test_the_gini_index_is_0_for_even_and_greatest_for_one_item_alone() -> None:
    assert exposure_gini(listed([0, 1], [2, 3]), items=4) == pytest.approx(0.0)
    assert exposure_gini(listed([2, -1], [2, -1]), items=4) == pytest.approx(3 / 4)
    assert exposure_gini(listed([0, 1], [0, -1]), items=2) == pytest.approx(1 / 6)


def test_the_gini_index_is_the_mean_difference_of_pairs(random_lists: NDArray[np.int32]) -> None:
    """The other classic definition: Σ |x_i − x_j| over all pairs / (2 n² mean)."""
    times = Counter(random_lists[random_lists >= 0].tolist())
    shown = np.array([times[code] for code in range(45)])
    expected = np.abs(shown[:, None] - shown[None, :]).sum() / (2 * 45 * 45 * shown.mean())
    assert exposure_gini(random_lists, items=45) == pytest.approx(expected)


def test_the_lift_is_0_where_lists_are_as_popular_as_histories() -> None:
    counts = np.array([30, 10, 20])
    assert popularity_lift(listed([0, 1]), counts, np.array([20.0])) == pytest.approx(0.0)
    assert popularity_lift(listed([0, 1]), counts, np.array([10.0])) == pytest.approx(1.0)


def test_each_list_counts_once_in_the_lift_however_short_it_is() -> None:
    """Lists' means are 30 and 15; the third user has no list and no say."""
    counts = np.array([30, 10, 20])
    lists = listed([0, -1], [1, 2], [-1, -1])
    assert popularity_lift(lists, counts, np.array([10.0, 5.0, 99.0])) == pytest.approx(45 / 15 - 1)


def test_items_that_share_all_categories_are_alike_and_those_that_share_none_are_not() -> None:
    categories = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 0]], dtype=bool)
    assert diversity(listed([0, 1]), categories) == pytest.approx(0.0)
    assert diversity(listed([0, 2]), categories) == pytest.approx(1.0)
    assert diversity(listed([2, 3]), categories) == pytest.approx(1 - 1 / np.sqrt(2))
    assert diversity(listed([0, 1], [0, 2]), categories) == pytest.approx(0.5)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.usefixtures("in_small_blocks")
def test_diversity_is_the_mean_over_all_pairs(form: type, random_lists: NDArray[np.int32]) -> None:
    categories = np.random.default_rng(1).random((30, 8)) < 0.25
    assert (categories.sum(axis=1) == 0).any()
    similar = cosine_similarity(categories)
    means = []
    for row in random_lists.tolist():
        known = [code for code in row if code >= 0 and categories[code].any()]
        if len(known) > 1:
            means.append(np.mean([1 - similar[pair] for pair in combinations(known, 2)]))
    assert len(means) < len(random_lists)
    assert diversity(random_lists, form(categories)) == pytest.approx(np.mean(means))


def test_no_categories_give_no_diversity() -> None:
    categories = np.array([[1], [0], [0]], dtype=bool)
    assert diversity(listed([0, 1]), None) is None
    assert diversity(listed([0, 1], [1, 2], [0, -1]), categories) is None


def test_without_recommendations_there_is_no_figure() -> None:
    counts = np.array([4, 1, 0])
    for lists in (NOTHING, NOTHING[:0]):
        assert novelty(lists, counts) is None
        assert exposure_gini(lists, items=3) is None
        assert popularity_lift(lists, counts, np.ones(len(lists))) is None
        assert diversity(lists, np.ones((3, 1), dtype=bool)) is None


def test_what_is_done_in_blocks_is_the_same(
    random_lists: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(2)
    counts, histories = random.integers(0, 9, 30), random.random(50)

    def figures() -> list[float | None]:
        return [
            coverage(random_lists, items=30),
            novelty(random_lists, counts),
            exposure_gini(random_lists, items=30),
            popularity_lift(random_lists, counts, histories),
        ]

    whole = figures()
    monkeypatch.setattr(beyond_accuracy, "_BLOCK", 7)
    assert figures() == pytest.approx(whole)


def test_a_million_items_and_100_000_lists_take_a_few_numbers_an_item() -> None:
    items = 1_000_000
    random = np.random.default_rng(3)
    lists = random.integers(0, items, (100_000, 10), dtype=np.int32)
    counts, histories = random.integers(0, 100, items), random.random(100_000)
    places = (np.arange(2 * items) // 2, random.integers(0, 500, 2 * items))
    categories = sparse.csr_array((np.ones(2 * items, dtype=bool), places), shape=(items, 500))
    tracemalloc.start()
    try:
        coverage(lists, items=items)
        novelty(lists, counts)
        exposure_gini(lists, items=items)
        popularity_lift(lists, counts, histories)
        diversity(lists, categories)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6

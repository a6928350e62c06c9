"""Figures of rankings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_precision,
    retrieval_recall,
    retrieval_reciprocal_rank,
)

from training.evaluation.metrics import (
    METRICS,
    accuracies,
    average_precisions,
    discounted_gains,
    f1_scores,
    hits,
    precisions,
    rank_of,
    recalls,
    reciprocal_ranks,
)
from training.evaluation.ragged import ragged_of
from training.evaluation.top_k import top_k

RANKS = np.array([0, 1, 2, 10, 11])
QUESTIONS, ITEMS, LONGEST = 60, 40, 20


def test_hits_count_the_first_k_and_0_is_no_rank() -> None:
    assert hits(RANKS, 10).tolist() == [0, 1, 1, 1, 0]
    assert hits(RANKS, 1).tolist() == [0, 1, 0, 0, 0]


def test_gains_fall_with_the_rank() -> None:
    np.testing.assert_allclose(discounted_gains(RANKS, 10), [0, 1, 1 / np.log2(3), 1 / np.log2(11), 0])
    np.testing.assert_allclose(reciprocal_ranks(RANKS, 10), [0, 1, 0.5, 0.1, 0])


def test_with_one_target_recall_is_the_hit_rate_and_average_precision_the_reciprocal_rank() -> None:
    np.testing.assert_array_equal(recalls(RANKS, 10), hits(RANKS, 10))
    np.testing.assert_array_equal(average_precisions(RANKS, 10), reciprocal_ranks(RANKS, 10))


def test_a_hit_is_one_of_k_however_high_it_is() -> None:
    np.testing.assert_allclose(precisions(RANKS, 10), [0, 0.1, 0.1, 0.1, 0])
    np.testing.assert_allclose(f1_scores(RANKS, 10), [0, 2 / 11, 2 / 11, 2 / 11, 0])


def test_accuracy_is_near_1_whatever_the_model_does() -> None:
    np.testing.assert_allclose(accuracies(RANKS, 10, items=1000), [0.989, 0.991, 0.991, 0.991, 0.989])


def test_of_a_catalogue_below_k_accuracy_takes_the_whole_catalogue_for_the_list() -> None:
    """The five items are all in the list: the target is right, the other four are wrong."""
    np.testing.assert_allclose(accuracies(np.array([3]), 10, items=5), [0.2])


def test_the_rank_is_the_place_in_the_list() -> None:
    lists = np.array([[7, 3, 5], [7, 3, 5], [7, 3, 5], [4, -1, -1]], dtype=np.int32)
    ranks = rank_of(lists, np.array([7, 5, 4, 4], dtype=np.int32))
    assert ranks.tolist() == [1, 3, 0, 1]
    assert ranks.dtype == np.int64


def test_what_is_no_item_has_no_rank_among_missing_candidates() -> None:
    assert rank_of(np.array([[2, -1]], dtype=np.int32), np.array([-1], dtype=np.int32)).tolist() == [0]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_nothing_listed_gives_no_ranks(shape: tuple[int, int]) -> None:
    targets = np.zeros(shape[0], dtype=np.int32)
    assert rank_of(np.zeros(shape, dtype=np.int32), targets).tolist() == [0] * shape[0]


Rankings = tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module", params=["many ties", "no ties"])
def rankings(request: pytest.FixtureRequest) -> Rankings:
    """Our ranks of random targets; then distinct scores [questions, items], made for the other library by
    reading the rule for ties slowly, and marks of the targets beside them."""
    random = np.random.default_rng(4)
    scores = random.random((QUESTIONS, ITEMS)).astype(np.float32)
    if request.param == "many ties":
        scores = np.floor(scores * 4)
    targets = random.integers(0, ITEMS, QUESTIONS).astype(np.int32)
    order = [
        sorted(range(ITEMS), key=lambda code, row=row: (-row[code], code))  # type: ignore[misc]
        for row in scores.tolist()
    ]
    distinct = torch.empty(QUESTIONS, ITEMS)
    for question, codes in enumerate(order):
        for place, code in enumerate(codes):
            distinct[question, code] = 1.0 - place / ITEMS
    marks = torch.zeros(QUESTIONS, ITEMS, dtype=torch.long)
    marks[torch.arange(QUESTIONS), torch.from_numpy(targets).long()] = 1
    lists = top_k(scores, ragged_of([[]] * QUESTIONS), k=LONGEST)
    return rank_of(lists, targets), distinct, marks


@pytest.mark.parametrize("k", [1, 3, 10, LONGEST])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("hr", retrieval_hit_rate),
        ("ndcg", retrieval_normalized_dcg),
        ("mrr", retrieval_reciprocal_rank),
        ("map", retrieval_average_precision),
        ("precision", retrieval_precision),
        ("recall", retrieval_recall),
    ],
)
def test_figures_are_those_of_another_library(
    rankings: Rankings, name: str, other: Callable[..., torch.Tensor], k: int
) -> None:
    ranks, scores, marks = rankings
    expected = [float(other(row, mark, top_k=k)) for row, mark in zip(scores, marks, strict=True)]
    np.testing.assert_allclose(METRICS[name](ranks, k), expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 10, LONGEST])
def test_f1_and_accuracy_are_those_of_a_classifier_that_takes_the_first_k(rankings: Rankings, k: int) -> None:
    ranks, scores, marks = rankings
    taken = (scores > 1.0 - (k - 0.5) / ITEMS).long()
    assert (taken.sum(dim=1) == k).all()
    pairs = list(zip(marks.numpy(), taken.numpy(), strict=True))
    np.testing.assert_allclose(f1_scores(ranks, k), [f1_score(*pair, zero_division=0.0) for pair in pairs])
    np.testing.assert_allclose(accuracies(ranks, k, items=ITEMS), [accuracy_score(*pair) for pair in pairs])

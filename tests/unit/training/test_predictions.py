"""Figures of probabilities and ratings."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.functional.classification import binary_auroc

from training.evaluation.predictions import SURE, auc, log_loss, rmse


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_is_that_of_other_libraries_ties_included(levels: int) -> None:
    random = np.random.default_rng(levels)
    of_target = np.floor(random.random(300) ** 0.7 * levels) / levels
    of_drawn = np.floor(random.random(200) * levels) / levels
    scores, marks = np.concatenate([of_target, of_drawn]), np.repeat([1, 0], [300, 200])
    assert auc(of_target, of_drawn) == pytest.approx(sklearn.metrics.roc_auc_score(marks, scores))
    assert auc(of_target, of_drawn) == pytest.approx(
        float(binary_auroc(torch.from_numpy(scores), torch.from_numpy(marks)))
    )


def test_auc_counts_pairs_and_half_a_tie() -> None:
    """Of the six pairs three are above and one is a tie."""
    assert auc(np.array([3.0, 1.0]), np.array([1.0, 2.0, 0.0])) == pytest.approx((3 + 1 + 0.5) / 6)
    assert auc(np.ones(4), np.ones(3)) == 0.5


def test_auc_asks_for_the_order_alone() -> None:
    random = np.random.default_rng(1)
    of_target, of_drawn = random.random(50), random.random(50)
    assert auc(of_target, of_drawn) == auc(np.exp(5 * of_target), np.exp(5 * of_drawn))
    assert auc(of_target, of_drawn) == pytest.approx(1.0 - auc(of_drawn, of_target))


def test_log_loss_is_that_of_another_library() -> None:
    random = np.random.default_rng(2)
    of_target, of_drawn = random.random(300), random.random(200)
    marks = np.repeat([1, 0], [300, 200])
    expected = sklearn.metrics.log_loss(marks, np.concatenate([of_target, of_drawn]))
    assert log_loss(of_target, of_drawn) == pytest.approx(expected)


def test_always_saying_a_half_costs_ln_2() -> None:
    assert log_loss(np.full(7, 0.5), np.full(7, 0.5)) == pytest.approx(np.log(2))


def test_being_sure_and_wrong_costs_much_but_not_everything() -> None:
    assert log_loss(np.zeros(1), np.ones(1)) == pytest.approx(-np.log(SURE))
    assert log_loss(np.ones(1), np.zeros(1)) == pytest.approx(0.0, abs=2 * SURE)


def test_rmse_is_that_of_another_library() -> None:
    random = np.random.default_rng(3)
    predicted, rated = random.random(100) * 5, random.integers(1, 6, 100).astype(np.float32)
    assert rmse(predicted, rated) == pytest.approx(
        np.sqrt(sklearn.metrics.mean_squared_error(rated, predicted))
    )
    assert rmse(np.array([3.0, 5.0]), np.array([3.0, 1.0])) == pytest.approx(np.sqrt(8))


@pytest.mark.parametrize("broken", [np.zeros(0), np.array([np.nan, 0.5])])
def test_no_prediction_and_a_broken_one_give_no_figure(broken: np.ndarray) -> None:
    assert np.isnan(auc(broken, broken))
    assert np.isnan(log_loss(broken, broken))
    assert np.isnan(rmse(broken, broken))

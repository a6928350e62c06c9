"""Figures of rankings."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.metrics import discounted_gains, figure, hits, reciprocal_ranks

RANKS = np.array([0, 1, 2, 10, 11])


def test_hits_count_the_first_k_and_0_is_no_rank() -> None:
    assert hits(RANKS, 10).tolist() == [0, 1, 1, 1, 0]
    assert hits(RANKS, 1).tolist() == [0, 1, 0, 0, 0]


def test_gains_fall_with_the_rank() -> None:
    np.testing.assert_allclose(discounted_gains(RANKS, 10), [0, 1, 1 / np.log2(3), 1 / np.log2(11), 0])
    np.testing.assert_allclose(reciprocal_ranks(RANKS, 10), [0, 1, 0.5, 0.1, 0])


def test_the_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    random = np.random.default_rng(0)
    gains, user = random.integers(0, 2, 500).astype(float), random.integers(0, 50, 500)
    first, second = figure(gains, user), figure(gains, user)
    assert first == second
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(gains.mean())


def test_events_of_one_user_hang_together() -> None:
    """Ten users whose events are all hits or none: drawn by events the interval would be far narrower."""
    gains = np.repeat([0.0, 1.0] * 5, 100)
    user = np.repeat(np.arange(10), 100)
    by_user, by_event = figure(gains, user), figure(gains, np.arange(1000))
    assert by_user.high - by_user.low > 5 * (by_event.high - by_event.low)


def test_a_user_who_did_nothing_does_not_count() -> None:
    assert figure(np.ones(3), np.array([0, 5, 9])).low == 1.0


def test_nothing_judged_gives_zeros() -> None:
    nothing = figure(np.zeros(0), np.zeros(0, dtype=np.int64))
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)

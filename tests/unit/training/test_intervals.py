"""Intervals by bootstrap, and the paired test."""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest

from training.evaluation import intervals
from training.evaluation.intervals import Figure, Paired, figure, mean_over_users, paired


def test_the_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    random = np.random.default_rng(0)
    gains, user = random.integers(0, 2, 500).astype(float), random.integers(0, 50, 500)
    first, second = figure(gains, user), figure(gains, user)
    assert first == second
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(gains.mean())
    assert figure(gains, user, seed=1) != first


def test_the_interval_of_single_events_is_that_of_the_normal_distribution() -> None:
    gains = np.random.default_rng(0).random(2000)
    found = figure(gains, np.arange(2000), draws=4000)
    half = 1.96 * gains.std() / np.sqrt(2000)
    assert found.low == pytest.approx(gains.mean() - half, abs=0.06 * half)
    assert found.high == pytest.approx(gains.mean() + half, abs=0.06 * half)


def test_events_of_one_user_hang_together() -> None:
    """Ten users whose events are all hits or none: drawn by events the interval would be far narrower."""
    gains = np.repeat([0.0, 1.0] * 5, 100)
    user = np.repeat(np.arange(10), 100)
    by_user, by_event = figure(gains, user), figure(gains, np.arange(1000))
    assert by_user.high - by_user.low > 5 * (by_event.high - by_event.low)


def test_a_user_who_did_nothing_does_not_count() -> None:
    assert figure(np.ones(3), np.array([0, 5, 9])).low == 1.0


def test_nothing_judged_gives_zeros() -> None:
    nothing, no_one = np.zeros(0), np.zeros(0, dtype=np.int32)
    assert figure(nothing, no_one) == Figure(value=0.0, low=0.0, high=0.0)
    assert mean_over_users(nothing, no_one) == 0.0
    assert paired(nothing, nothing, no_one) == Paired(difference=0.0, low=0.0, high=0.0, p=1.0)


def test_95_of_100_intervals_hold_what_is_true() -> None:
    """Users differ, and the ones with more events do better: the true mean over events is .2 · 7/4 = .35."""
    random = np.random.default_rng(1)
    held = 0
    for log in range(200):
        chance = random.choice([0.2, 0.4], 100)
        events = np.where(chance == 0.2, 1, 3)
        user = np.repeat(np.arange(100), events)
        found = figure((random.random(len(user)) < chance[user]).astype(float), user, draws=400, seed=log % 2)
        held += found.low <= 0.35 <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_bundles_of_many_users_give_an_interval_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    user = random.integers(0, 6000, 20_000)
    gains = random.random(20_000) * (user % 3)
    single = figure(gains, user)
    single_test = paired(gains, np.full(20_000, gains.mean() - 0.005), user)
    monkeypatch.setattr(intervals, "MOST_DRAWN", 2000)
    bundled = figure(gains, user)
    bundled_test = paired(gains, np.full(20_000, gains.mean() - 0.005), user)
    assert bundled.value == single.value
    assert bundled.high - bundled.low == pytest.approx(single.high - single.low, rel=0.15)
    assert bundled_test.p == pytest.approx(single_test.p, abs=0.05)


def test_a_million_users_take_memory_for_themselves_alone() -> None:
    """1,000 draws of them all at once would be 8 GB."""
    gains, user = np.random.default_rng(3).random(1_000_000), np.arange(1_000_000)
    tracemalloc.start()
    try:
        found = figure(gains, user)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    assert found.high - found.low == pytest.approx(2 * 1.96 * gains.std() / 1000, rel=0.15)


def test_over_users_each_counts_once_however_much_they_did() -> None:
    gains, user = np.array([1.0, 1.0, 1.0, 0.0]), np.array([4, 4, 4, 2])
    assert mean_over_users(gains, user) == 0.5
    assert figure(gains, user).value == 0.75


def test_the_p_value_is_the_share_of_all_flips_that_go_as_far() -> None:
    """With eight users all 256 ways to flip them can be gone through."""
    random = np.random.default_rng(5)
    user = np.repeat(np.arange(8), 5)
    first, second = random.random(40) + 0.15, random.random(40)
    sums = np.bincount(user, weights=first - second)
    flipped = [abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=8)]
    exact = np.mean(np.array(flipped) >= abs(sums.sum()) - 1e-9)
    assert 0.01 < exact < 0.5
    assert paired(first, second, user).p == pytest.approx(exact, abs=4 * np.sqrt(exact / intervals.FLIPS))


def test_a_difference_and_its_opposite_have_one_p_value() -> None:
    random = np.random.default_rng(6)
    user = random.integers(0, 60, 300)
    first, second = random.random(300), random.random(300)
    there, back = paired(first, second, user), paired(second, first, user)
    assert there.difference == pytest.approx(first.mean() - second.mean())
    assert (there.difference, there.p) == (-back.difference, back.p)
    assert there.low < there.difference < there.high
    assert there == paired(first, second, user)


def test_a_model_does_not_differ_from_itself() -> None:
    gains, user = np.random.default_rng(7).random(100), np.arange(100) // 3
    assert paired(gains, gains, user) == Paired(difference=0.0, low=0.0, high=0.0, p=1.0)


def test_sums_that_differ_by_rounding_alone_are_no_difference() -> None:
    first, second = np.tile([0.1, 0.2, 0.4], 10), np.tile([0.4, 0.1, 0.2], 10)
    assert (first[:3] - second[:3]).sum() != 0.0
    assert paired(first, second, np.arange(30) // 3).p == 1.0


def test_a_model_that_is_better_for_every_user_is_told_apart() -> None:
    second = np.random.default_rng(8).random(50)
    assert paired(second + 0.01, second, np.arange(50)).p == 1 / (1 + intervals.FLIPS)


def test_of_models_that_are_alike_5_of_100_are_told_apart_at_5_percent() -> None:
    random = np.random.default_rng(9)
    user = np.repeat(np.arange(40), random.integers(1, 6, 40))
    told = 0
    for _ in range(400):
        taste = random.random(40)[user]
        first, second = taste + random.random(len(user)), taste + random.random(len(user))
        told += paired(first, second, user, draws=10, flips=400).p < 0.05
    assert 0.02 <= told / 400 <= 0.085

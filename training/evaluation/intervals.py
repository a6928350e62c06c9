"""How sure a mean is: intervals by bootstrap, and a test between two models. What is drawn are users.

Events of one user hang together: drawing events one by one would make intervals too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Users = NDArray[np.int32] | NDArray[np.int64]
"""Whose each event is, [events], codes from 0."""

DRAWS = 1_000
"""Of the bootstrap."""

FLIPS = 4_000
"""Of the randomisation test: the smallest p is 1 / 4,001, and a p of .05 is known to ±.003."""

MOST_DRAWN = 20_000
"""More users than this are put into so many bundles, by lot, and bundles are drawn: the work has a bound.

The width that intervals come to is that of single users, give or take 1 / √(2 · 20,000) = .5 % of it; what
1,000 draws leave open is some 3 %.
"""

_BLOCK = 250_000
"""So many drawn numbers are worked on at once: they stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over events, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What the first model is above the second on the same events, with the 95 % bootstrap interval.

    `p` is how probable a difference at least as large, either way, is if the two are alike.
    """

    difference: float
    low: float
    high: float
    p: float


def figure(gains: NDArray[np.float64], user: Users, *, draws: int = DRAWS, seed: int = 0) -> Figure:
    """The mean of `gains` [events] over events, with its bootstrap interval over users.

    `draws` times, as many users as there are are drawn with replacement, each with all their events; a draw's
    mean is Σ gains / Σ events. The interval is from the .025 to the .975 quantile of these means (percentile
    bootstrap over clusters; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8, 13).
    The same input gives the same interval. With a handful of users it is too narrow; with one it has no
    width. Without events all is 0.
    """
    if not len(gains):
        return Figure(value=0.0, low=0.0, high=0.0)
    totals = _drawn_together(np.stack(_by_user(gains, user), axis=1), seed=seed)
    times = _times_drawn(len(totals), draws=draws, seed=seed)
    block = max(1, _BLOCK // len(totals))
    drawn = np.concatenate([times[start : start + block] @ totals for start in range(0, draws, block)])
    means = drawn[:, 0] / drawn[:, 1]
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(value=float(np.mean(gains)), low=float(low), high=float(high))


def mean_over_users(gains: NDArray[np.float64], user: Users) -> float:
    """The mean over users of each one's mean of `gains` [events]; 0 without events."""
    if not len(gains):
        return 0.0
    gain, events = _by_user(gains, user)
    return float(np.mean(gain / events))


def paired(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    user: Users,
    *,
    draws: int = DRAWS,
    flips: int = FLIPS,
    seed: int = 0,
) -> Paired:
    """Compare two models' gains [events] on the same events; `difference` is the mean of first − second.

    The interval is that of `figure`, of the differences. `p` is of a two-sided randomisation test: if the
    models are alike, either could have given a user's answers, so each user's sum of differences has its sign
    flipped by a coin, `flips` times over; p = (1 + sums at least as far from 0) / (1 + flips). (Smucker,
    Allan and Carterette, "A comparison of statistical significance tests for information retrieval
    evaluation", 2007.)
    """
    difference = first - second
    found = figure(difference, user, draws=draws, seed=seed)
    p = _flip_test(difference, user, flips=flips, seed=seed)
    return Paired(difference=found.value, low=found.low, high=found.high, p=p)


def _by_user(gains: NDArray[np.float64], user: Users) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of gains and the number of events of each user who has any, both [users]."""
    events = np.bincount(user)
    present = events > 0
    gain = np.bincount(user, weights=gains)
    return gain[present].astype(np.float64), events[present].astype(np.int64)


def _drawn_together(totals: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """The users' totals [users, c] as they are, or of bundles of users [MOST_DRAWN, c]."""
    users = len(totals)
    if users <= MOST_DRAWN:
        return totals
    bundle = np.random.default_rng(seed).permutation(users) % MOST_DRAWN
    return np.stack([np.bincount(bundle, weights=column) for column in totals.T], axis=1)


# The figures of one model are drawn from the same users, one after another.
@lru_cache(maxsize=1)
def _times_drawn(users: int, *, draws: int, seed: int) -> NDArray[np.uint8]:
    """How often each user is drawn, uint8 [draws, users]; no one is drawn 256 times of 20,000."""
    random = np.random.default_rng(seed)
    times = np.empty((draws, users), dtype=np.uint8)
    for row in times:
        row[:] = np.bincount(random.integers(0, users, users), minlength=users)
    return times


def _flip_test(difference: NDArray[np.float64], user: Users, *, flips: int, seed: int) -> float:
    if not len(difference):
        return 1.0
    total, _ = _by_user(difference, user)
    # A sum that is 0 but for rounding has no sign to flip.
    total = total[np.abs(total) > 1e-12 * np.abs(difference).max()]
    if not len(total):
        return 1.0
    total = _drawn_together(total[:, None], seed=seed)[:, 0]
    random = np.random.default_rng(seed)
    least = np.abs(total.sum()) - 1e-9 * np.abs(total).sum()
    block = max(1, _BLOCK // len(total))
    extreme = 0
    for start in range(0, flips, block):
        size = (min(block, flips - start), -(-len(total) // 8))
        coins = np.unpackbits(random.integers(0, 256, size, dtype=np.uint8), axis=1, count=len(total))
        extreme += int((np.abs(2.0 * (coins @ total) - total.sum()) >= least).sum())
    return (1 + extreme) / (1 + flips)

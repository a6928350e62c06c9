"""Figures of a ranking, from the rank that each event's item had in its list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
"""int64 [events]: 1 is the top of the list, 0 = not in the list."""


def hits(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 where the item is among the first k; its mean is the hit rate (recall, as there is one item an
    event)."""
    return ((ranks > 0) & (ranks <= k)).astype(np.float64)


def discounted_gains(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 / log2(rank + 1) within the first k, else 0; its mean is NDCG."""
    return hits(ranks, k) / np.log2(np.maximum(ranks, 1) + 1.0)


def reciprocal_ranks(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 / rank within the first k, else 0; its mean is MRR."""
    return hits(ranks, k) / np.maximum(ranks, 1)


METRICS: dict[str, Callable[[Ranks, int], NDArray[np.float64]]] = {
    "hr": hits,
    "ndcg": discounted_gains,
    "mrr": reciprocal_ranks,
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over events, with the interval that 95 of 100 other draws of users would lie in."""

    value: float
    low: float
    high: float


def figure(
    gains: NDArray[np.float64], user: NDArray[np.int64], *, draws: int = 1000, seed: int = 0
) -> Figure:
    """The mean of `gains` [events], and its bootstrap interval over users.

    `user` [events] are codes from 0. Events of one user hang together: drawing events one by one would make
    the interval too narrow.
    """
    if not len(gains):
        return Figure(value=0.0, low=0.0, high=0.0)
    users = int(user.max()) + 1
    gain, events = np.bincount(user, weights=gains, minlength=users), np.bincount(user, minlength=users)
    present = events > 0
    gain, events = gain[present], events[present]
    drawn = np.random.default_rng(seed).multinomial(
        len(gain), np.full(len(gain), 1.0 / len(gain)), size=draws
    )
    means = (drawn @ gain) / (drawn @ events)
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(value=float(gains.mean()), low=float(low), high=float(high))

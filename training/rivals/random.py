"""A list drawn by lot: what a hit rate is worth at the least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.evaluation.histories import Histories
from training.interactions import Interactions


class Random:
    """Recommends items drawn evenly from those that occurred so far; the same seed draws the same."""

    name = "random"

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, training: Interactions) -> None:
        """Take note of the items."""
        self._random = np.random.default_rng(self._seed)
        self._is_known = np.zeros(len(training.items), dtype=bool)
        self._known: list[int] = []
        self.learn(training)

    def learn(self, events: Interactions) -> None:
        """Take note of further items."""
        fresh = np.unique(events.item[~self._is_known[events.item]])
        self._is_known[fresh] = True
        self._known.extend(fresh.tolist())

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """k items that are not seen, int32 [batch, k]; −1 where there are fewer."""
        known = np.array(self._known, dtype=np.int32)
        lists = np.full((len(histories), k), -1, dtype=np.int32)
        for row in range(len(histories)):
            seen = histories.seen[row]
            # As many more as could be taken out again.
            wanted = min(k + len(seen), len(known))
            drawn = known[self._random.choice(len(known), wanted, replace=False)]
            fresh = drawn[~np.isin(drawn, seen)][:k]
            lists[row, : len(fresh)] = fresh
        return lists

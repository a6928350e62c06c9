"""What popularity and chance would have hit: the yardsticks that the model is shown beside."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
RECENT_DAYS = 30


class Chances(NamedTuple):
    """The chance, 0 to 1, that a rival's list holds the item; fractions come from ties and from chance."""

    popularity: float
    recent_popularity: float
    random: float


class Rivals:
    """Popularity of all time and of the last 30 days, and a random list, each without what the user has seen.

    Test, then learn: ask `chances` of an event before `learn` takes it in.
    """

    def __init__(self, *, items: int, k: int) -> None:
        self._k = k
        self._items = items
        self._counts = np.zeros(items, np.int64)  # [items]
        self._recent_counts = np.zeros(items, np.int64)  # [items]
        self._recent: deque[tuple[int, int]] = deque()
        self._seen: defaultdict[str, set[int]] = defaultdict(set)

    def chances(self, user_id: str, item: int, *, timestamp_ms: int) -> Chances:
        """How the rivals' lists, made from everything learned so far, would fare with this item (a row)."""
        self._forget_before(timestamp_ms - RECENT_DAYS * DAY_MS)
        seen = self._seen.get(user_id, set())
        if item in seen:
            return Chances(0.0, 0.0, 0.0)
        rows = np.fromiter(seen, np.int64, len(seen))
        return Chances(
            chance_in_top(self._counts, item, left_out=rows, k=self._k),
            chance_in_top(self._recent_counts, item, left_out=rows, k=self._k),
            min(self._k / (self._items - len(seen)), 1.0),
        )

    def learn(self, user_id: str, item: int, *, timestamp_ms: int, positive: bool) -> None:
        """Take an event in: everything is seen afterwards, what is positive counts."""
        self._seen[user_id].add(item)
        if positive:
            self._counts[item] += 1
            self._recent_counts[item] += 1
            self._recent.append((timestamp_ms, item))

    def _forget_before(self, timestamp_ms: int) -> None:
        while self._recent and self._recent[0][0] < timestamp_ms:
            self._recent_counts[self._recent.popleft()[1]] -= 1


def chance_in_top(counts: NDArray[np.int64], item: int, *, left_out: NDArray[np.int64], k: int) -> float:
    """The chance that `item` is among the k highest of `counts` [items] when ties are broken at random.

    The rows `left_out`, which `item` is not one of, take no places.
    """
    mine, others = counts[item], counts[left_out]
    better = int((counts > mine).sum() - (others > mine).sum())
    tied = int((counts == mine).sum() - (others == mine).sum())
    return min(max(k - better, 0) / tied, 1.0)

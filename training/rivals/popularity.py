"""What most people chose: ever, in the last days, or the more the later; counts move with the stream."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from stream_app.domain.decoding import DAY_MS
from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions

_REBASE_AT = 200.0
"""Half-lives after which weights are written anew: far below float64's 1,023 powers of two."""


class Popularity:
    """Recommends the items with the highest counts; items without a count are none.

    `days` counts the events of the last days alone, on the log's own clock; `half_life_days` has an event
    count 2^(−age / half-life). An event counts whatever its type.
    """

    def __init__(self, *, days: float | None = None, half_life_days: float | None = None) -> None:
        if days is not None and half_life_days is not None:
            raise ValueError("an event counts for some days, or less and less; give one of the two")
        if days is not None:
            self.name = f"popularity-{days:g}d"
        else:
            self.name = "popularity" if half_life_days is None else f"popularity-decayed-{half_life_days:g}d"
        self._window_ms = None if days is None else round(days * DAY_MS)
        self._half_life_ms = None if half_life_days is None else half_life_days * DAY_MS

    def fit(self, training: Interactions) -> None:
        """Count. Raises NotApplicable where times matter and the log has none."""
        timed = self._window_ms is not None or self._half_life_ms is not None
        if timed and not training.has_times:
            raise NotApplicable("the log has no times")
        self._counts = np.zeros(len(training.items))
        self._now_ms = self._landmark_ms = int(training.timestamp_ms.max(initial=0))
        self._recent: deque[tuple[int, int]] = deque()
        self.learn(training)

    def learn(self, events: Interactions) -> None:
        """Count further events."""
        if self._half_life_ms is not None:
            self._count_decayed(events, self._half_life_ms)
        elif self._window_ms is not None:
            self._count_recent(events, self._window_ms)
        else:
            np.add.at(self._counts, events.item, 1.0)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The most popular items that are not seen, int32 [batch, k]; equal counts in the order of codes."""
        seen = histories.seen
        best = self._best(k + int(seen.lengths.max(initial=0)))
        lists = np.full((len(histories), k), -1, dtype=np.int32)
        for row in range(len(histories)):
            # Of so many only these can be seen.
            near = best[: k + len(seen[row])]
            fresh = near[~np.isin(near, seen[row])][:k]
            lists[row, : len(fresh)] = fresh
        return lists

    def _best(self, most: int) -> NDArray[np.int64]:
        """The codes of the highest counts, best first: all that count as much as the `most`-th, or more."""
        codes = np.flatnonzero(self._counts > 0)
        counts = self._counts[codes]
        if len(codes) > most:
            enough = counts >= np.partition(counts, len(counts) - most)[len(counts) - most]
            codes, counts = codes[enough], counts[enough]
        return codes[np.argsort(-counts, kind="stable")]

    def _count_recent(self, events: Interactions, window_ms: int) -> None:
        self._now_ms = max(self._now_ms, int(events.timestamp_ms.max(initial=0)))
        horizon_ms = self._now_ms - window_ms
        fresh = events.rows(events.timestamp_ms >= horizon_ms) if len(events) > 1 else events
        np.add.at(self._counts, fresh.item, 1.0)
        self._recent.extend(zip(fresh.timestamp_ms.tolist(), fresh.item.tolist(), strict=True))
        while self._recent and self._recent[0][0] < horizon_ms:
            self._counts[self._recent.popleft()[1]] -= 1.0

    def _count_decayed(self, events: Interactions, half_life_ms: float) -> None:
        newest_ms = int(events.timestamp_ms.max(initial=0))
        if newest_ms - self._landmark_ms > _REBASE_AT * half_life_ms:
            self._counts *= 0.5 ** ((newest_ms - self._landmark_ms) / half_life_ms)
            self._landmark_ms = newest_ms
        # Forward decay (Cormode et al., 2009): all weights age alike, so that none is touched again.
        age = (self._landmark_ms - events.timestamp_ms) / half_life_ms
        np.add.at(self._counts, events.item, 0.5**age)

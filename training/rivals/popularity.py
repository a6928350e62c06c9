"""What most people chose, of all time or of late; the counts move with the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from stream_app.domain.decoding import DAY_MS, Interaction
from stream_app.domain.history import columns


class Popularity:
    """Recommends the items with the most interactions, of the last `days` where given.

    Equal counts rank in the order in which the items first occurred.
    """

    def __init__(self, *, days: float | None = None) -> None:
        self.name = "popularity" if days is None else f"popularity-{days:g}d"
        self._window_ms = None if days is None else round(days * DAY_MS)
        self._now_ms = 0
        self._place: dict[int, int] = {}
        self._hashes: list[int] = []
        self._counts = np.zeros(1024, dtype=np.int64)
        self._recent: deque[tuple[int, int]] = deque()

    def learn(self, event: Interaction) -> None:
        """Count an event."""
        place = self._place.setdefault(event.item_hash, len(self._hashes))
        if place == len(self._hashes):
            self._hashes.append(event.item_hash)
            if place == len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._counts[place] += 1
        if self._window_ms is None:
            return
        self._now_ms = max(self._now_ms, event.timestamp_ms)
        self._recent.append((event.timestamp_ms, place))
        while self._recent[0][0] < self._now_ms - self._window_ms:
            self._counts[self._recent.popleft()[1]] -= 1

    def recommend(self, record: bytes, *, k: int) -> Sequence[int]:
        """The k most frequent items that the stored window does not hold."""
        counts = self._counts[: len(self._hashes)].copy()
        seen = [
            place for item in columns(record)[:, 0].tolist() if (place := self._place.get(item)) is not None
        ]
        counts[seen] = 0
        if len(counts) > k:
            # One more than the k-th count: of those that tie with it, the first to occur are taken.
            threshold = np.partition(counts, len(counts) - k)[len(counts) - k]
            candidates = np.flatnonzero(counts >= max(threshold, 1))
        else:
            candidates = np.flatnonzero(counts)
        best = candidates[np.argsort(-counts[candidates], kind="stable")][:k]
        return [self._hashes[place] for place in best.tolist()]

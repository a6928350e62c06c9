"""A list drawn by lot: what a hit rate is worth at the least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import columns


class Random:
    """Recommends items drawn evenly from those that occurred so far; the same seed draws the same."""

    name = "random"

    def __init__(self, *, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._known: set[int] = set()
        self._hashes: list[int] = []

    def learn(self, event: Interaction) -> None:
        """Take note of the item."""
        if event.item_hash not in self._known:
            self._known.add(event.item_hash)
            self._hashes.append(event.item_hash)

    def recommend(self, record: bytes, *, k: int) -> Sequence[int]:
        """k items, or all there are, that the stored window does not hold."""
        seen = set(columns(record)[:, 0].tolist())
        # As many more as could be taken out again.
        drawn = self._random.choice(len(self._hashes), min(k + len(seen), len(self._hashes)), replace=False)
        return [item for place in drawn.tolist() if (item := self._hashes[place]) not in seen][:k]

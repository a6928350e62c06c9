"""What is popular now: counts that decay with time, on the partition's own clock.

Forward decay (Cormode et al., 2009): an event at time t weighs 2^((t − landmark) / half-life). The weights of
all items age alike, so that nothing is touched but the items of the event; the landmark moves on when the
numbers grow large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np

from stream_app.domain.decoding import DAY_MS, Interaction
from stream_app.domain.history import columns
from stream_app.domain.messages import RecommendedItem
from stream_app.domain.ranking import Candidate

_REBASE_AT = 200.0
"""Half-lives since the landmark after which it moves: far below float64's 1,023 powers of two."""


class PartitionClock:
    """The newest timestamp of a partition, moved on by at most a day per event: no wrong clock rules it."""

    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms

    def advance(self, timestamp_ms: int) -> int:
        """Take note of an event; returns the clock's time."""
        if not self.now_ms:
            self.now_ms = timestamp_ms
        elif timestamp_ms > self.now_ms:
            self.now_ms = min(timestamp_ms, self.now_ms + DAY_MS)
        return self.now_ms


class Trending:
    """Decayed counts of every item that the stream shows, and the candidates at their top."""

    def __init__(self, *, half_life_ms: int, places: int = 256, max_items: int = 1_000_000) -> None:
        self._half_life_ms = half_life_ms
        self._places = places
        self._max_items = max_items
        self._rows: dict[int, int] = {}
        self._hashes: list[int] = []
        self._names: list[str] = []
        self._weights = np.zeros(1024)
        self._landmark_ms = 0
        self._unranked = 0
        self._top: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._hashes)

    def count(
        self, events: Sequence[Interaction], clock: PartitionClock, counts: Callable[[int], bool]
    ) -> None:
        """Add a chunk's events, in order; `counts(type_code)` says which types make an item popular."""
        if len(self._hashes) + len(events) > self._max_items:
            self._drop_lesser_half()
        rows, times = [], []
        for event in events:
            now = clock.advance(event.timestamp_ms)
            if not event.type_code or not counts(event.type_code):
                continue
            row = self._rows.get(event.item_hash)
            if row is None:
                row = self._add(event.item_hash, event.item_id)
            rows.append(row)
            times.append(min(event.timestamp_ms, now))
        if rows:
            self._weigh(rows, times)

    def count_histories(
        self, records: Iterable[bytes], counts: Callable[[int], bool], name: Callable[[int], str | None]
    ) -> None:
        """Add whole stored histories, so that a new worker does not begin with nothing.

        `name(item_hash)` gives an item's id; what it does not know (None) is left out.
        """
        window = np.concatenate([np.empty((0, 2), np.uint64), *map(columns, records)])
        types = (window[:, 1] & np.uint64(0xFF)).astype(int)
        counted = np.array([counts(code) for code in range(types.max(initial=0) + 1)])[types]
        hashes, inverse = np.unique(window[counted, 0], return_inverse=True)
        names = [name(item_hash) for item_hash in hashes.tolist()]
        rows = np.array(
            [
                -1 if item_id is None else self._rows.get(item_hash, -2)
                for item_hash, item_id in zip(hashes.tolist(), names, strict=True)
            ],
            dtype=np.int64,
        )
        for at in (rows == -2).nonzero()[0].tolist():
            rows[at] = self._add(int(hashes[at]), names[at] or "")
        rows, times = rows[inverse], (window[counted, 1] >> np.uint64(8)).astype(np.int64)
        if (rows >= 0).any():
            self._weigh(rows[rows >= 0].tolist(), times[rows >= 0].tolist())

    def _weigh(self, rows: list[int], times: list[int]) -> None:
        newest = max(times)
        if not self._landmark_ms:
            self._landmark_ms = newest
        age = (newest - self._landmark_ms) / self._half_life_ms
        if age > _REBASE_AT:
            self._weights *= 2.0**-age if age < 1000 else 0.0
            self._landmark_ms = newest
        exponents = (np.array(times) - self._landmark_ms) / self._half_life_ms
        np.add.at(self._weights, rows, np.exp2(np.maximum(exponents, -1000)))
        self._unranked += len(rows)

    def _add(self, item_hash: int, item_id: str) -> int:
        row = len(self._hashes)
        if row == len(self._weights):
            self._weights = np.concatenate([self._weights, np.zeros(row)])
        self._rows[item_hash] = row
        self._hashes.append(item_hash)
        self._names.append(item_id)
        return row

    def _drop_lesser_half(self) -> None:
        size = len(self._hashes)
        kept = np.sort(np.argpartition(self._weights[:size], size // 2)[size // 2 :]).tolist()
        weights = self._weights[kept]
        self._hashes = [self._hashes[row] for row in kept]
        self._names = [self._names[row] for row in kept]
        self._rows = {item_hash: row for row, item_hash in enumerate(self._hashes)}
        self._weights = np.zeros(max(1024, size))
        self._weights[: len(kept)] = weights

    def candidates(self, available: Callable[[int], bool]) -> Sequence[Candidate]:
        """The most popular items, best first, at most `places`; `available(item_hash)` leaves items out.

        Sorted anew only after as many events as could change much: it is asked for every chunk. Scores are
        shares of the best item's weight.
        """
        if self._unranked >= min(256, len(self._hashes)) and self._unranked:
            self._unranked = 0
            self._top = self._best(min(len(self._hashes), 2 * self._places))
        return list(islice((place for place in self._top if available(place.item_hash)), self._places))

    def _best(self, count: int) -> list[Candidate]:
        size = len(self._hashes)
        weights = self._weights[:size]
        best = np.argpartition(weights, size - count)[size - count :]
        best = best[np.argsort(-weights[best], kind="stable")]
        best = best[weights[best] > 0]
        shares = (weights[best] / weights[best].max(initial=0)).round(6).tolist()
        hashes, names = self._hashes, self._names
        return [
            Candidate(hashes[row], RecommendedItem(names[row], share, ()))
            for row, share in zip(best.tolist(), shares, strict=True)
        ]

"""A log sorted by user, out of which stored histories are cut."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.history import FORMAT, HEADER
from training.evaluation.histories import Histories
from training.evaluation.plan import Questions, block_size
from training.interactions import Interactions


class UserOrder:
    """All events of a log, one user after the other, each in the order of the log.

    place  int64 [n], the rows of the log in this order
    start  int64 [users + 1], where each of `user_codes` begins
    """

    def __init__(self, log: Interactions) -> None:
        self.log = log
        self.place: NDArray[np.int64] = np.argsort(log.user, kind="stable")
        self.user: NDArray[np.int32] = log.user[self.place]
        begins = np.flatnonzero(np.diff(self.user, prepend=-1))
        self.start: NDArray[np.int64] = np.append(begins, len(self.user)).astype(np.int64)
        self.user_codes: NDArray[np.int32] = self.user[begins]

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether it is its user's first event, bool [n]."""
        first = np.zeros(len(self.place), dtype=bool)
        first[self.start[:-1]] = True
        return first

    @cached_property
    def catalogue(self) -> Vocabulary:
        """All items of the log."""
        return Vocabulary(self.log.items)

    @cached_property
    def _entries(self) -> NDArray[np.uint64]:
        moment = self.log.timestamp_ms[self.place].astype(np.uint64) << np.uint64(8)
        hashes = self.catalogue.hashes[self.log.item[self.place] + 1]
        return np.stack([hashes, moment | self.log.type_code[self.place]], axis=1)

    def blocks(self, places: NDArray[np.int64]) -> Iterator[Questions]:
        """`questions` for many places, in blocks."""
        size = block_size(len(self.log.items))
        for start in range(0, len(places), size):
            yield self.questions(places[start : start + size])

    def questions(self, places: NDArray[np.int64]) -> Questions:
        """Ask for the events at `places` [batch] of this order, each by all that its user did before."""
        first = self.start[np.searchsorted(self.start, places, side="right") - 1]
        rows = self.place[places]
        histories = Histories(
            records=[self._record(*piece) for piece in zip(first.tolist(), places.tolist(), strict=True)],
            user=self.user[places],
            # Now is the moment of the event before, not of the one to come.
            now_ms=self.log.timestamp_ms[self.place[places - 1]],
            context=None if self.log.context is None else self.log.context[self.place[places - 1]],
            catalogue=self.catalogue,
        )
        given_at = self.place[places - 1]
        return Questions(histories=histories, target=self.log.item[rows], place=rows, given_at=given_at)

    def _record(self, first: int, end: int) -> bytes:
        window = self._entries[first:end]
        times = window[:, 1] >> np.uint64(8)
        return HEADER.pack(FORMAT, 0, end - first - 1, int(times.max()), int(times.min())) + window.tobytes()

    def repeated(self) -> NDArray[np.bool_]:
        """Whether its user took the item before, bool [n]."""
        pair = self.user.astype(np.int64) * len(self.log.items) + self.log.item[self.place]
        order = np.argsort(pair, kind="stable")
        again = np.zeros(len(pair), dtype=bool)
        again[order[1:]] = pair[order[1:]] == pair[order[:-1]]
        return again

"""Keeps what was asked, block by block."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.judged import Asked, joined
from training.evaluation.plan import Questions
from training.interactions import Interactions

_TYPES = {"user": np.int32, "target": np.int32, "history_popularity": np.float64}


class AskedSoFar:
    """The questions of the rounds up to now, and what was known of them."""

    def __init__(self, log: Interactions) -> None:
        self._log = log
        self._blocks: dict[str, list[NDArray[Any]]] = {}
        self._item_counts: list[NDArray[np.int64]] = []
        self.skipped: Counter[str] = Counter()
        self.count = 0

    def begin(self, training: Interactions) -> None:
        """A round begins, in which this is learnt from."""
        self._item_counts.append(np.bincount(training.item, minlength=len(self._log.items)))
        self._user_counts = np.bincount(training.user, minlength=len(self._log.users))

    def add(self, questions: Questions) -> int:
        """Keep a block; returns the number of its first question."""
        histories, first, counts = questions.histories, self.count, self._item_counts[-1]
        lengths = histories.item.lengths
        popularity = np.bincount(
            histories.item.row, weights=counts[histories.item.values], minlength=len(lengths)
        )
        columns: dict[str, NDArray[Any]] = {
            "user": histories.user,
            "target": questions.target,
            "place": questions.place,
            "given_at": questions.given_at,
            "fit": np.full(len(lengths), len(self._item_counts) - 1),
            "timestamp_ms": self._log.timestamp_ms[questions.place],
            "history_length": lengths,
            "item_count": counts[questions.target],
            "user_count": self._user_counts[histories.user],
            "history_popularity": popularity / np.maximum(lengths, 1),
        }
        for name, values in columns.items():
            self._blocks.setdefault(name, []).append(values)
        self.count += len(lengths)
        return first

    def whole(self) -> Asked:
        """All of it."""
        columns = {
            name: joined(self._blocks.get(name, []), _TYPES.get(name, np.int64))
            for name in Asked.__dataclass_fields__
            if name not in ("item_counts", "skipped")
        }
        skipped = {reason: count for reason, count in self.skipped.items() if count}
        return Asked(**columns, item_counts=np.array(self._item_counts), skipped=skipped)

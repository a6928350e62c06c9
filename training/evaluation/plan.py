"""What a protocol asks: rounds, each a log to fit on and the questions that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.histories import Histories
from training.interactions import Interactions

_MOST_QUESTIONS, _MOST_SCORES = 512, 1 << 25


def block_size(items: int) -> int:
    """How many questions are asked together: so that a float32 score for each item takes 128 MiB at most."""
    return max(min(_MOST_QUESTIONS, _MOST_SCORES // max(items, 1)), 1)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Which item does each user take next?

    target    int32 [batch], the item code of what came
    place     int64 [batch], where in the log it came
    given_at  int64 [batch], where the user's event before it is, at which the list is given; rising in a
              round that moves
    """

    histories: Histories
    target: NDArray[np.int32]
    place: NDArray[np.int64]
    given_at: NDArray[np.int64]

    def some(self, chosen: NDArray[np.int64]) -> Questions:
        """Those at the places `chosen` of the batch, in that order."""
        if len(chosen) == len(self.target):
            return self
        return Questions(
            histories=self.histories.some(chosen),
            target=self.target[chosen],
            place=self.place[chosen],
            given_at=self.given_at[chosen],
        )


Rows = slice | NDArray[np.bool_]
"""Rows of a log: a piece of it, or a mark for each, bool [n]."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One fit, and what it is judged by.

    learnt      the rows of `log` that are learnt from
    validated   those that may be looked at to choose by, and are not learnt from
    tested      those that questions are taken from
    questions   the blocks, each given once
    skipped     events that were passed over, by reason; complete when the questions are at their end
    moves       the log goes on from the end of `learnt`, and a `Learner` is given every event up to the one
                at which a list is given
    """

    log: Interactions
    learnt: Rows
    validated: Rows
    tested: Rows
    questions: Iterator[Questions]
    skipped: Counter[str]
    moves: bool = False

    @property
    def training(self) -> Interactions:
        """What is learnt from; taken out of the log anew each time."""
        return self.log.rows(self.learnt)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A protocol applied to a log.

    `definition` says it so that a stranger gets the same rows. Each round is finished before the next is
    taken. `fits` is how many rounds there are, with `at_most` so many questions in all. `every_type`: events
    of all types are targets, not the positive ones alone. `users_are_new`: who is asked for never trained.
    """

    protocol: str
    definition: str
    log: Interactions
    rounds: Iterator[Round]
    at_most: int
    fits: int = 1
    every_type: bool = True
    users_are_new: bool = False
    retrained_at_ms: tuple[int, ...] = ()

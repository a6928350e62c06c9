"""What can be evaluated. A recommender is fitted on a log, then asked for batches of histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from training.evaluation.histories import Histories
from training.interactions import Interactions

if TYPE_CHECKING:
    from training.evaluation.served import ServedModel


class NotApplicable(Exception):
    """A recommender cannot do this protocol, or not with this log; the message says why."""


class Recommender(Protocol):
    """Item and user codes are those of the log, in all its parts alike.

    One with a true attribute `needs_known_users` is not asked for users who never trained: it says n/a.
    """

    @property
    def name(self) -> str: ...

    def fit(self, training: Interactions) -> None:
        """Forget what was, and learn from these events, given in order. Raises NotApplicable."""
        ...

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """Item codes int32 [batch, k], best first; −1 where no candidate is left, or where the item is none
        of the log.

        None of them is in the user's `histories.seen`.
        """
        ...


@runtime_checkable
class Learner(Recommender, Protocol):
    """One that moves with the stream between two fits."""

    def learn(self, events: Interactions) -> None:
        """Take note of the next events, in order; every event after the last fit is given once."""
        ...


@runtime_checkable
class Probabilistic(Recommender, Protocol):
    """One that says how probable it is that a user takes an item."""

    def probabilities(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """From 0 to 1, float64 [batch, c], for the item codes int32 [batch, c]."""
        ...


@runtime_checkable
class Rater(Recommender, Protocol):
    """One that predicts ratings."""

    def ratings(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float64]:
        """In the log's unit, float64 [n], for codes int32 [n]; users and items may be unknown to the fit."""
        ...


@runtime_checkable
class Attentive(Recommender, Protocol):
    """One that looks at a history, and can show where."""

    @property
    def served(self) -> ServedModel | None:
        """The model of the last fit, as a worker would ask it; None where there was none."""
        ...

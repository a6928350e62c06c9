"""Which questions belong together: by history length, cold items, cold users."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_LENGTHS = (0, 5, 20, 50, 200)
_COLD = (0, 10)


@dataclass(frozen=True, kw_only=True)
class QuestionFacts:
    """What is known of each of n questions.

    history_length  int64 [n], events in the stored history
    item_count      int64 [n], events of the target in training
    user_count      int64 [n], events of the user in training
    """

    history_length: NDArray[np.int64]
    item_count: NDArray[np.int64]
    user_count: NDArray[np.int64]


def slices(facts: QuestionFacts) -> dict[str, list[tuple[str, NDArray[np.bool_]]]]:
    """Kind of slicing → names of its slices with their masks, bool [n], from few to many.

    Of each kind every question is in exactly one slice; a slice may be empty. Targets and users with 0 events
    in training are the cold ones.
    """
    return {
        "history length": _sliced(facts.history_length, _LENGTHS),
        "target's training count": _sliced(facts.item_count, _COLD),
        "user's training events": _sliced(facts.user_count, _COLD),
    }


def _sliced(values: NDArray[np.int64], bounds: tuple[int, ...]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Slices up to each bound and above the last: "0", "1–5", …, "over 200"."""
    found = [(str(bounds[0]), values <= bounds[0])]
    for below, bound in pairwise(bounds):
        found.append((f"{below + 1}–{bound}", (values > below) & (values <= bound)))
    return [*found, (f"over {bounds[-1]}", values > bounds[-1])]

"""What was asked, and how each recommender answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Asked:
    """All questions of a plan, in order; each array has a place for each of the n.

    user            int32, code
    target          int32, code of the item that came
    place           int64, row of the log
    given_at        int64, row of the log at which the list was given
    fit             int64, by which fit, from 0
    timestamp_ms    int64, when it came
    history_length  int64, events in the stored history
    item_count      int64, how often the item occurred in what was learnt from
    user_count      int64, the user's events in what was learnt from
    history_popularity  float64, mean of the history's items' counts in what was learnt from
    item_counts     int64 [fits, items], how often each item occurred in what was learnt from
    skipped         events that were not asked for, by reason
    """

    user: NDArray[np.int32]
    target: NDArray[np.int32]
    place: NDArray[np.int64]
    given_at: NDArray[np.int64]
    fit: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    history_length: NDArray[np.int64]
    item_count: NDArray[np.int64]
    user_count: NDArray[np.int64]
    history_popularity: NDArray[np.float64]
    item_counts: NDArray[np.int64]
    skipped: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How one recommender did on m of the questions.

    user     int32 [m], codes
    rank     int64 [m], 1 is the top of the list; 0 = not in it
    lists    int32 [m, K], item codes, best first; −1 = none
    chosen   int64 [m], which of the questions; all of them unless the recommender was too slow, then those
             of a `sample` of the users (a share)
    probabilities  float64 [m, 2], of the target and of an item that was drawn from the unseen ones
    ratings  float64 [r, 2], predicted and given, of every tested row that has a rating
    seconds  "fit" and "score"
    `not_applicable` is the reason where it could not do this at all; all arrays are empty then.
    """

    name: str
    user: NDArray[np.int32]
    rank: NDArray[np.int64]
    lists: NDArray[np.int32]
    chosen: NDArray[np.int64]
    seconds: Mapping[str, float] = field(default_factory=dict)
    probabilities: NDArray[np.float64] | None = None
    ratings: NDArray[np.float64] | None = None
    sample: float | None = None
    not_applicable: str | None = None


def joined(blocks: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    """One after the other; of that kind, too, where there is none."""
    return np.concatenate([np.zeros(0, dtype=kind), *blocks]).astype(kind, copy=False)

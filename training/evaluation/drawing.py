"""Items drawn to compare a target with; what is drawn depends on the seed and the question alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.evaluation.plan import Questions

_TRIES = 16


def draw_unseen(questions: Questions, *, items: int, count: int, seed: int) -> NDArray[np.int32]:
    """Codes int32 [batch, count], evenly from the items that are neither seen nor the target.

    None occurs twice in a row. −1 fills a row where too few were found: its user has seen nearly everything.
    """
    drawn = np.full((len(questions.target), count), -1, dtype=np.int32)
    for row, place in enumerate(questions.place.tolist()):
        random = np.random.default_rng((seed, place))
        avoided = np.append(questions.histories.seen[row], questions.target[row])
        found = np.zeros(0, dtype=np.int64)
        for _ in range(_TRIES):
            more = random.integers(0, items, 2 * count)
            found = np.concatenate([found, more[~np.isin(more, avoided)]])
            _, first = np.unique(found, return_index=True)
            found = found[np.sort(first)]
            if len(found) >= count:
                break
        drawn[row, : min(count, len(found))] = found[:count]
    return drawn


def ranks_among(
    lists: NDArray[np.int32], targets: NDArray[np.int32], drawn: NDArray[np.int32], *, items: int
) -> NDArray[np.int64]:
    """Each target's rank among itself and the drawn items, int64 [batch]; 0 where the lists lack it.

    lists  int32 [batch, K], best first, −1 = none; an item that is not in the list ranks behind those in it
    """
    ranks = np.zeros(len(targets), dtype=np.int64)
    for row, target in enumerate(targets.tolist()):
        place = np.full(items + 1, items, dtype=np.int64)  # the last one is for −1, which is no item
        listed = lists[row][lists[row] >= 0]
        place[listed] = np.arange(len(listed))
        if place[target] < items:
            ranks[row] = 1 + int((place[drawn[row]] < place[target]).sum())
    return ranks

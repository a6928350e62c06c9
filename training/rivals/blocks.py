"""Lists from scores of the full catalogue, a block of users at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.evaluation.ragged import Ragged
from training.evaluation.top_k import top_k

CELLS = 1 << 22
"""At most about so many numbers of a block are held at once."""


def best_of_blocks(
    scores: Callable[[slice], NDArray[np.float32]], seen: Ragged, *, cells: int, k: int
) -> NDArray[np.int32]:
    """`top_k` of scores(block) [users of the block, items], for all users that `seen` has a row of.

    `cells` is how many numbers one user's scores take on the way; it bounds how many users a block has.
    """
    at_once = max(1, CELLS // max(cells, 1))
    best = np.full((len(seen), k), -1, dtype=np.int32)
    for first in range(0, len(seen), at_once):
        here = slice(first, min(first + at_once, len(seen)))
        start = seen.start[here.start : here.stop + 1]
        left_out = Ragged(values=seen.values[start[0] : start[-1]], start=start - start[0])
        best[here] = top_k(scores(here), left_out, k=k)
    return best

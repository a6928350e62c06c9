"""The best k of a row of scores, equal scores in the order of the catalogue."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.evaluation.ragged import Ragged


def top_k(scores: NDArray[np.floating], seen: Ragged, *, k: int) -> NDArray[np.int32]:
    """Item codes int32 [batch, k], best first, of `scores` [batch, items]; −1 where no candidate is left.

    `seen` are codes to leave out. −inf and NaN are no candidates. Of equal scores the lower code comes first:
    the item that occurred first in the log. `scores` is written to.
    """
    batch, items = scores.shape
    scores[seen.row, seen.values] = -np.inf
    np.copyto(scores, -np.inf, where=np.isnan(scores))
    if items > k:
        # numpy's partition takes 20 times as long where most of a row is one value, as in sparse scores.
        best = torch.topk(torch.from_numpy(scores), k, dim=1, sorted=False)[0]
        threshold = best.amin(1, keepdim=True).numpy()
        above = np.nonzero(scores > threshold)
        # Of those that tie for the last places k are enough: a row may hold a million zeros.
        tied = [np.flatnonzero(row == least)[:k] for row, least in zip(scores, threshold[:, 0], strict=True)]
        row = np.concatenate([above[0], np.repeat(np.arange(batch), [len(codes) for codes in tied])])
        code = np.concatenate([above[1], *tied])
        kept = scores[row, code] > -np.inf
        row, code = row[kept], code[kept]
    else:
        row, code = np.nonzero(scores > -np.inf)
    order = np.lexsort((code, -scores[row, code], row))
    row, code = row[order], code[order]
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(batch))[row]
    kept = place < k
    lists = np.full((batch, k), -1, dtype=np.int32)
    lists[row[kept], place[kept]] = code[kept]
    return lists

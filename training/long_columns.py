"""What is counted of a column that need not fit in memory: a piece at a time is copied, not the whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS_AT_A_TIME = 4_000_000
_BUCKETS = 1 << 16


def pieces(length: int) -> Iterator[slice]:
    """The rows of a column, `ROWS_AT_A_TIME` by `ROWS_AT_A_TIME`."""
    for begin in range(0, length, ROWS_AT_A_TIME):
        yield slice(begin, min(begin + ROWS_AT_A_TIME, length))


def occurrences(codes: NDArray[np.int32], kinds: int) -> NDArray[np.int64]:
    """How often each code below `kinds` occurs: int64 [kinds]."""
    counts = np.zeros(kinds, dtype=np.int64)
    for piece in pieces(len(codes)):
        counts += np.bincount(codes[piece], minlength=kinds)
    return counts


def first_places(codes: NDArray[np.int32], kinds: int) -> NDArray[np.int64]:
    """Where each code below `kinds` occurs first, int64 [kinds]; past the end where it does not."""
    first = np.full(kinds, len(codes), dtype=np.int64)
    for piece in pieces(len(codes)):
        found, place = np.unique(codes[piece], return_index=True)
        first[found] = np.minimum(first[found], place + piece.start)
    return first


def smallest(values: NDArray[np.int64], place: int) -> int:
    """The value that would stand at `place` if they were sorted; by counting, in ever finer buckets."""
    low, high = int(values.min()), int(values.max())
    while low < high:
        width = -(-(high - low + 1) // _BUCKETS)
        counts = np.zeros(_BUCKETS, dtype=np.int64)
        for piece in pieces(len(values)):
            inside = values[piece][(values[piece] >= low) & (values[piece] <= high)]
            counts += np.bincount((inside - low) // width, minlength=_BUCKETS)
        up_to = np.cumsum(counts)
        bucket = int(np.searchsorted(up_to, place, side="right"))
        place -= int(up_to[bucket] - counts[bucket])
        low, high = low + bucket * width, min(low + (bucket + 1) * width - 1, high)
    return low

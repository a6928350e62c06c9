"""Rows of different lengths in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """Row i is `values[start[i] : start[i + 1]]`.

    values  int32 [n]
    start   int64 [rows + 1], from 0 to n
    """

    values: NDArray[np.int32]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.values[self.start[row] : self.start[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [rows]."""
        return np.diff(self.start)

    @property
    def row(self) -> NDArray[np.int64]:
        """Which row each value belongs to, int64 [n]."""
        return np.repeat(np.arange(len(self)), self.lengths)


def ragged_of(rows: Sequence[Sequence[int] | NDArray[np.int32]]) -> Ragged:
    """Put rows one after another."""
    start = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    values = np.concatenate([np.zeros(0, dtype=np.int32), *(np.asarray(row, dtype=np.int32) for row in rows)])
    return Ragged(values=values, start=start)


def beside(first: Ragged, second: Ragged) -> Ragged:
    """Row by row, the values of both."""
    start = first.start + second.start
    values = np.empty(len(first.values) + len(second.values), dtype=np.int32)
    values[np.arange(len(first.values)) + np.repeat(second.start[:-1], first.lengths)] = first.values
    values[np.arange(len(second.values)) + np.repeat(first.start[1:], second.lengths)] = second.values
    return Ragged(values=values, start=start)

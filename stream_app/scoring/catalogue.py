"""The rows that a model ranks: a vector and a bias for each item, and whether it may be recommended.

The graph reads both tables as inputs, so a change here is in force from the next batch on, without a new
export or session. One thread writes, between batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from models.bundle.signature import BLOCK, UNAVAILABLE_BIAS, capacity


class CatalogueTables(NamedTuple):
    """What the graph reads: `vectors` float32 or float16 [V, d], `bias` float32 [V]; written in place."""

    vectors: NDArray[np.floating[Any]]
    bias: NDArray[np.float32]


class Catalogue:
    """`vectors` float32 or float16 [V, d] and `bias` float32 [V], in `tables`.

    Row 0 is padding. Where rows run out, larger tables take the place of `tables`, for good: what was read of
    the former ones holds, but does not change any more. `revision` grows with every change of the bias,
    `vectors_revision` with every change of a vector, so that copies on a device can follow.
    """

    def __init__(
        self,
        *,
        vectors: NDArray[np.floating[Any]],
        bias: NDArray[np.float32],
        dtype: DTypeLike = np.float32,
    ) -> None:
        if vectors.ndim != 2 or bias.shape != vectors.shape[:1]:
            raise ValueError(
                f"vectors [V, d] and bias [V] are needed, found {list(vectors.shape)} and {list(bias.shape)}"
            )
        if len(bias) == 0 or len(bias) % BLOCK:
            raise ValueError(f"a catalogue has a multiple of {BLOCK} rows, found {len(bias)}")
        self.tables = CatalogueTables(
            np.ascontiguousarray(vectors, dtype=dtype), np.array(bias, dtype=np.float32)
        )
        self.bias[0] = UNAVAILABLE_BIAS
        # What a row's bias is while the item is available: unavailability overwrites the live one.
        self._own_bias = self.bias.copy()
        self.revision = 0
        self.vectors_revision = 0

    @property
    def vectors(self) -> NDArray[np.floating[Any]]:
        return self.tables.vectors

    @property
    def bias(self) -> NDArray[np.float32]:
        return self.tables.bias

    @property
    def rows(self) -> int:
        """V, the padding row and the empty ones included."""
        return len(self.bias)

    def is_available(self, row: int) -> bool:
        """Whether the row can be recommended; padding and empty rows never can."""
        return bool(self.bias[row] > UNAVAILABLE_BIAS)

    def set_available(self, rows: ArrayLike, available: bool) -> None:
        """Take items out of all lists, or let them in again: a row, or int [n].

        Raises IndexError where there is no such row.
        """
        chosen = self._checked(rows)
        if not chosen.size:
            return  # a revision sends the whole table to a GPU
        # Floats are written whole: a batch that runs meanwhile reads either the old value or the new one.
        self.bias[chosen] = self._own_bias[chosen] if available else UNAVAILABLE_BIAS
        self.revision += 1

    def set_unavailable(self, rows: ArrayLike) -> None:
        """Make these rows unavailable and all others available, as a newly loaded version needs it."""
        bias = self._own_bias.copy()
        bias[self._checked(rows)] = UNAVAILABLE_BIAS
        self.bias[:] = bias
        self.revision += 1

    def make_room(self, items: int) -> None:
        """Have a row for each of so many items, and one for padding; with spare ones, where it must grow."""
        if items < self.rows:
            return
        rows = capacity(items)
        vectors = np.zeros((rows, self.vectors.shape[1]), dtype=self.vectors.dtype)
        bias, own = np.full((2, rows), UNAVAILABLE_BIAS, dtype=np.float32)
        vectors[: self.rows], bias[: self.rows], own[: self.rows] = *self.tables, self._own_bias
        self._own_bias = own
        self.tables = CatalogueTables(vectors, bias)

    def write(
        self,
        rows: NDArray[np.integer[Any]],
        *,
        vectors: NDArray[np.floating[Any]],
        bias: NDArray[np.float32],
        available: NDArray[np.bool_],
    ) -> None:
        """Give int [n] rows, each once, their vectors [n, d] and biases [n], and say which are available.

        Raises IndexError where there is no such row, or it is that of padding.
        """
        chosen = self._checked(rows)
        if not chosen.all():
            raise IndexError("row 0 is padding and holds no item")
        # 1. The vector, of which a batch that runs meanwhile sees nothing while the row was empty.
        self.vectors[chosen] = vectors
        self.vectors_revision += 1
        # 2. The bias, which lets the row in.
        self._own_bias[chosen] = bias
        self.bias[chosen] = np.where(available, bias, np.float32(UNAVAILABLE_BIAS))
        self.revision += 1

    def _checked(self, rows: ArrayLike) -> NDArray[np.int64]:
        chosen = np.asarray(rows, dtype=np.int64)
        # A negative row would write the last ones.
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < self.rows):
            raise IndexError(f"rows are 0 to {self.rows - 1}, found {chosen.min()} to {chosen.max()}")
        return chosen

"""The rows that a model ranks: a vector and a bias for each item, and whether it may be recommended.

The graph reads both tables as inputs, so a change here is in force from the next batch on, without a new
export or session. One thread writes, between batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from models.bundle.signature import BLOCK, UNAVAILABLE_BIAS


class Catalogue:
    """`vectors` float32 or float16 [V, d] and `bias` float32 [V]: the tables as the graph reads them.

    Row 0 is padding. `revision` grows with every change of the bias, so that copies on a device can follow.
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
        self.vectors: NDArray[np.floating[Any]] = np.ascontiguousarray(vectors, dtype=dtype)
        self.bias: NDArray[np.float32] = np.array(bias, dtype=np.float32)
        self.bias[0] = UNAVAILABLE_BIAS
        # What a row's bias is while the item is available: unavailability overwrites the live one.
        self._trained_bias = self.bias.copy()
        self.revision = 0

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
        # Floats are written whole: a batch that runs meanwhile reads either the old value or the new one.
        self.bias[chosen] = self._trained_bias[chosen] if available else UNAVAILABLE_BIAS
        self.revision += 1

    def set_unavailable(self, rows: ArrayLike) -> None:
        """Make these rows unavailable and all others available, as a newly loaded version needs it."""
        bias = self._trained_bias.copy()
        bias[self._checked(rows)] = UNAVAILABLE_BIAS
        self.bias[:] = bias
        self.revision += 1

    def grown(self, rows: int) -> Catalogue:
        """A larger copy, whose further rows are empty; this one goes on serving until it is replaced."""
        if rows < self.rows:
            raise ValueError(f"a catalogue of {self.rows} rows cannot shrink to {rows}")
        vectors = np.zeros((rows, self.vectors.shape[1]), dtype=self.vectors.dtype)
        trained = np.full(rows, UNAVAILABLE_BIAS, dtype=np.float32)
        vectors[: self.rows] = self.vectors
        trained[: self.rows] = self._trained_bias
        larger = Catalogue(vectors=vectors, bias=trained, dtype=self.vectors.dtype)
        larger.bias[: self.rows] = self.bias
        return larger

    def _checked(self, rows: ArrayLike) -> NDArray[np.int64]:
        chosen = np.asarray(rows, dtype=np.int64)
        # A negative row would write the last ones.
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < self.rows):
            raise IndexError(f"rows are 0 to {self.rows - 1}, found {chosen.min()} to {chosen.max()}")
        return chosen

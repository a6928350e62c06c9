"""Sparse matrices of users and items: what the rivals that count are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.evaluation.ragged import Ragged
from training.interactions import Interactions
from training.rivals.blocks import CELLS, best_of_blocks


def taken(log: Interactions) -> csr_array:
    """Who took what, however often and whatever the type: float32 [users, items], 1 where it occurs."""
    return matrix_of(log.user, log.item, shape=(len(log.users), len(log.items)))


def matrix_of(row: NDArray[np.integer], column: NDArray[np.integer], *, shape: tuple[int, int]) -> csr_array:
    """float32 `shape`, 1 at the places given, however often each is given."""
    place = np.sort(row.astype(np.int64) * max(shape[1], 1) + column)
    # A twentieth of the time of np.unique, which hashes.
    place = place[np.diff(place, prepend=-1) > 0]
    return _in_order(place, np.ones(len(place), dtype=np.float32), shape)


def distances(histories: Ragged, *, items: int) -> csr_array:
    """How far from its history's end each item stands: float64 [batch, items], 1 for the last event.

    Of an item that occurs more than once, the last time counts.
    """
    row = histories.row
    distance = histories.start[row + 1] - np.arange(len(row))
    place = row * max(items, 1) + histories.values
    # The first of those that are turned round.
    place, latest = np.unique(place[::-1], return_index=True)
    return _in_order(place, distance[::-1][latest].astype(np.float64), (len(histories), items))


def _in_order(place: NDArray[np.int64], data: NDArray[np.floating], shape: tuple[int, int]) -> csr_array:
    row, column = np.divmod(place, max(shape[1], 1))
    start = np.searchsorted(row, np.arange(shape[0] + 1))
    kind = np.int32 if len(place) < np.iinfo(np.int32).max else np.int64  # int32 is half the memory
    return csr_array((data, column.astype(kind), start.astype(kind)), shape=shape)


def weighted(histories: Ragged, *, items: int, half_life: float | None = None) -> csr_array:
    """The histories' items, float32 [batch, items]: 1, or halved every `half_life` events from the end."""
    profile = distances(histories, items=items)
    weight = np.ones(profile.nnz) if half_life is None else 0.5 ** ((profile.data - 1) / half_life)
    return with_data(profile, weight.astype(np.float32))


def with_data(matrix: csr_array, data: NDArray[np.floating]) -> csr_array:
    """The same places with other values."""
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def rows_of(matrix: csr_array) -> NDArray[np.int64]:
    """The row of each value stored, int64 [nnz]."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def place_in_row(matrix: csr_array) -> NDArray[np.int64]:
    """How many values stand before each one in its row, int64 [nnz]."""
    first: NDArray[np.int64] = np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    return np.arange(matrix.nnz) - first


def only(matrix: csr_array, kept: NDArray[np.bool_]) -> csr_array:
    """The values that `kept` [nnz] marks."""
    before = np.concatenate([[0], np.cumsum(kept)])
    start = before[matrix.indptr].astype(matrix.indptr.dtype)
    return csr_array((matrix.data[kept], matrix.indices[kept], start), shape=matrix.shape)


def strongest(matrix: csr_array, n: int) -> NDArray[np.bool_]:
    """Marks [nnz] the n largest values of each row; of equal ones those in the lower columns."""
    kept = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > n):
        here = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values = matrix.data[here]
        threshold = np.partition(values, len(values) - n)[len(values) - n]
        chosen = values > threshold
        equal = np.flatnonzero(values == threshold)
        by_column = np.argsort(matrix.indices[here][equal])
        chosen[equal[by_column[: n - chosen.sum()]]] = True
        kept[here] = chosen
    return kept


def pieces(cells: NDArray[np.int64]) -> Iterator[slice]:
    """Cut rows that take so many `cells` [rows] each into slices of about `CELLS`."""
    begins = np.flatnonzero(np.diff(np.cumsum(cells) // CELLS, prepend=-1))
    edges = [*begins.tolist(), len(cells)]
    return map(slice, edges[:-1], edges[1:])


def best_of_product(left: csr_array, right: csr_array, seen: Ragged, *, k: int) -> NDArray[np.int32]:
    """`top_k` of left [batch, n] @ right [n, items]; where that is 0 an item is no candidate."""

    def scores(here: slice) -> NDArray[np.float32]:
        dense = (left[here] @ right).toarray()
        return np.where(dense > 0, dense, -np.inf).astype(np.float32, copy=False)

    return best_of_blocks(scores, seen, cells=right.shape[1], k=k)

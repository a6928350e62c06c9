"""The most popular of what the user's history is of: the plainest way to rank items by their categories."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.evaluation.categories import category_matrix
from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.evaluation.top_k import top_k
from training.interactions import Interactions
from training.rivals.sparse import weighted


class CategoryPopularity:
    """Orders items by how many items of the history share a category with them, then by popularity.

        shared(j) = |{i in history : categories(i) ∩ categories(j) ≠ ∅}|

    An item of the history counts once, however often it occurs there and however many categories the two
    share. Of equal `shared`, the item with more events in training comes first, then the one that occurred
    first in the log. All items of the log are ranked but the seen ones, with events in training or without;
    one without categories shares none, and comes last.

    items  item_id → fields, with "categories" or "genres"
    """

    name = "category-popularity"

    def __init__(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        self._items = items

    def fit(self, training: Interactions) -> None:
        """Count. Raises NotApplicable where no item of the log has a category."""
        matrix = category_matrix(training.items, self._items)
        if matrix is None:
            raise NotApplicable("no item of the log has categories; give a table of items that says them")
        # Items of the same categories are one kind: there are far fewer of those than of items.
        kinds, self._kind = _kinds(csr_array(matrix))
        self._alike = ((kinds @ kinds.T).toarray() > 0).astype(np.float64)  # [kinds, kinds]
        counts = np.bincount(training.item, minlength=len(training.items))
        # Below 1, so that it decides among equals alone.
        self._popularity = counts / (counts.max(initial=0) + 1.0)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The k best, int32 [batch, k]."""
        items = len(self._kind)
        taken = weighted(histories.item, items=items, half_life=None)  # [batch, items]
        of_kind = taken @ csr_array(
            (np.ones(items), (np.arange(items), self._kind)), shape=(items, len(self._alike))
        )
        shared = of_kind.toarray() @ self._alike  # [batch, kinds]
        return top_k(shared[:, self._kind] + self._popularity, histories.seen, k=k)


def _kinds(matrix: csr_array) -> tuple[csr_array, NDArray[np.int64]]:
    """The different rows of a matrix of marks, and which of them each of its rows is."""
    rows = [tuple(sorted(matrix.indices[start:end])) for start, end in pairwise(matrix.indptr)]
    number = {row: place for place, row in enumerate(dict.fromkeys(rows))}
    columns = [column for row in number for column in row]
    places = np.repeat(np.arange(len(number)), [len(row) for row in number])
    shape = (len(number), matrix.shape[1])
    return csr_array((np.ones(len(columns)), (places, columns)), shape=shape), np.array(
        [number[row] for row in rows], dtype=np.int64
    )

"""Who took this also took that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from training.evaluation.histories import Histories
from training.interactions import Interactions
from training.rivals.sparse import (
    best_of_product,
    only,
    pieces,
    rows_of,
    strongest,
    taken,
    weighted,
    with_data,
)


class ItemKNN:
    """Scores an item by how alike it is to the items of the history.

        similarity(i, j) = c_ij / (√(n_i n_j) + shrinkage)
        score(j) = Σ_{i in history and N(j)} similarity(i, j)

    n_i counts the users who took i, c_ij those who took both; every event counts, whatever its type. N(j) are
    the `neighbours` that are most alike to j, of equal ones the first in the log. (Sarwar et al., 2001; the
    shrinkage, and neighbours for the item that is scored, as in Ferrari Dacrema et al., 2019.)

    With `half_life` an item of the history weighs half as much every so many events from its end: not the
    classic rule, and far better where the order tells something; then more neighbours help (200).

    An item none of whose neighbours is in the history is not recommended.
    """

    def __init__(
        self, *, neighbours: int = 10, shrinkage: float = 10.0, half_life: float | None = None
    ) -> None:
        self.name = "item-knn" if half_life is None else "item-knn-recent"
        self._neighbours = neighbours
        self._shrinkage = shrinkage
        self._half_life = half_life

    def fit(self, training: Interactions) -> None:
        """Count who took what together."""
        users = taken(training)
        items = users.T.tocsr()
        norm = np.sqrt(np.diff(items.indptr))
        # At least as many as the values in a row of the product below, so that a block of rows is bounded.
        cells = np.minimum(items @ np.diff(users.indptr), items.shape[0]).astype(np.int64)
        nothing = csr_array((0, items.shape[0]), dtype=np.float32)
        blocks = (self._rows(items[here] @ users, norm, here.start) for here in pieces(cells))
        # Kept by the item of the history.
        self._similarity: csr_array = vstack([nothing, *blocks], format="csr").T.tocsr()

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The k items that are most alike to the history, int32 [batch, k]."""
        profile = weighted(histories.item, items=self._similarity.shape[0], half_life=self._half_life)
        return best_of_product(profile, self._similarity, histories.seen, k=k)

    def _rows(self, together: csr_array, norm: NDArray[np.float64], first: int) -> csr_array:
        item = rows_of(together) + first
        value = together.data / (norm[item] * norm[together.indices] + self._shrinkage)
        similarity = only(with_data(together, value.astype(np.float32)), item != together.indices)
        return only(similarity, strongest(similarity, self._neighbours))

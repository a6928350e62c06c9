"""What people took who took the same."""

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


class UserKNN:
    """Scores an item by how alike those users are to the history who took it.

        similarity(h, u) = |h ∩ u| / √(|h| |u|)      score(j) = Σ_{u in N(h), j in u} similarity(h, u)

    h are the items of the history, u those of a user in training, N(h) the `neighbours` that are most alike,
    of equal ones the first in the log. (After Resnick et al., 1994, and Herlocker et al., 1999, without
    ratings.) Neighbours are sought for the history that is given, so that a user need not have trained; the
    user himself is none of his neighbours. Every event counts, whatever its type.

    An item that no neighbour took is not recommended.
    """

    name = "user-knn"

    def __init__(self, *, neighbours: int = 50) -> None:
        self._neighbours = neighbours

    def fit(self, training: Interactions) -> None:
        """Keep who took what."""
        self._taken = taken(training)
        self._takers: csr_array = self._taken.T.tocsr()
        self._norm = np.sqrt(np.diff(self._taken.indptr))

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """What the neighbours took, int32 [batch, k]."""
        users, items = self._taken.shape
        profile = weighted(histories.item, items=items)
        nothing = csr_array((0, users), dtype=np.float32)
        blocks = (
            self._near(profile[here], histories.user[here]) for here in pieces(np.full(len(histories), users))
        )
        near = vstack([nothing, *blocks], format="csr")
        return best_of_product(near, self._taken, histories.seen, k=k)

    def _near(self, profile: csr_array, user: NDArray[np.int32]) -> csr_array:
        # |h| is the same for all users: it changes no order.
        shared = profile @ self._takers
        shared = only(shared, shared.indices != user[rows_of(shared)])
        similarity = with_data(shared, (shared.data / self._norm[shared.indices]).astype(np.float32))
        return only(similarity, strongest(similarity, self._neighbours))

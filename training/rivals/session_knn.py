"""What came in sessions like this one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array

from training.evaluation.histories import Histories
from training.interactions import Interactions
from training.rivals.sessions import going_on, sessions_of
from training.rivals.sparse import (
    best_of_product,
    distances,
    only,
    place_in_row,
    rows_of,
    strongest,
    with_data,
)

_MOST_LAST = 500  # 4^−500 is still a number


class SessionKNN:
    """Scores an item by the past sessions that share items with the one going on: VMIS-kNN's recipe.

        r(n) = Σ_{i in s and n} π(i)        π(i) = position of i in s, 1 for the oldest
        λ(n) = 1 / d(n)                     d(n) = how far from the end of s stands the last item that n
                                            shares, 1 for the last of all
        score(j) = (1 + idf_weight · ln(|H| / h_j)) · Σ_{n in N(s), j in n} λ(n) r(n)

    s are the `last` items of the session going on (of one that occurs twice the last time counts), H all past
    sessions, h_j those with j, N(s) the `neighbours` with the highest r of the `recent` newest that share an
    item; of equal ones the newer. Source: Kersbergen, Sprangers and Schelter, Serenade, SIGMOD 2022, and its
    code, github.com/bolcom/serenade, where the idf stands alone and λ(n) = 1 − 0.1 d(n); 1 + idf and 1 / d(n)
    are those of V-SkNN in github.com/rn5l/session-rec (Ludewig and Jannach, 2018), better on MovieLens. Both
    divide r by a length of s, which changes no order.

    A session is a user's events, cut where more than `gap_ms` pass between two; without a gap, or where the
    log has no times, all of them. Where times are equal, the later in the log is the newer. A user's own
    sessions are no neighbours: they hold nothing new. What no neighbour holds is not recommended.
    """

    name = "session-knn"

    def __init__(
        self,
        *,
        neighbours: int = 500,
        recent: int = 2000,
        last: int = 5,
        gap_ms: int | None = None,
        idf_weight: float = 1.0,
    ) -> None:
        if not 1 <= last <= _MOST_LAST:
            raise ValueError(f"last is {last}; of a session 1 to {_MOST_LAST} items can be weighed")
        self._neighbours, self._recent, self._last = neighbours, recent, last
        self._gap_ms, self._idf_weight = gap_ms, idf_weight

    def fit(self, training: Interactions) -> None:
        """Cut the log into sessions and index those that are the `recent` newest of an item."""
        holds, self._owner = sessions_of(training, gap_ms=self._gap_ms)
        holders = holds.T.tocsr()
        idf = np.log(max(holds.shape[0], 1) / np.maximum(np.diff(holders.indptr), 1))
        self._weighed = (holds @ diags_array(1.0 + self._idf_weight * idf)).astype(np.float32)
        # The newest that share any item are among the newest of each.
        self._holders = only(holders, place_in_row(holders) < self._recent).astype(np.float64)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """What the neighbours hold, int32 [batch, k]."""
        session = going_on(histories, gap_ms=self._gap_ms, last=self._last)
        distance = distances(session, items=self._holders.shape[0])
        position = session.lengths[rows_of(distance)] + 1 - distance.data
        shared = with_data(distance, position) @ self._holders
        # Of a sum of different powers of 4 the exponent tells the largest: that of the last item shared.
        power = with_data(distance, 4.0**-distance.data) @ self._holders
        shared.sort_indices()
        power.sort_indices()
        shared_last = -((np.frexp(power.data)[1] - 1) // 2)
        score = with_data(shared, shared.data / shared_last)
        kept = place_in_row(shared) < self._recent
        kept &= self._owner[shared.indices] != histories.user[rows_of(shared)]
        shared, score = only(shared, kept), only(score, kept)
        neighbours = only(score, strongest(shared, self._neighbours)).astype(np.float32)
        return best_of_product(neighbours, self._weighed, histories.seen, k=k)

"""Matrix factorisation with biases, for ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions
from training.rivals.blocks import best_of_blocks
from training.rivals.least_squares import solve_rows


class BiasedMF:
    """Predicts r̂ = μ + b_u + b_i + p_u·q_i, which have the least

        Σ (r − r̂)² + λ Σ_u n_u^ν (b_u² + ‖p_u‖²) + λ Σ_i n_i^ν (b_i² + ‖q_i‖²)

    over the ratings of the log (Koren, Bell and Volinsky 2009, Matrix Factorization Techniques for
    Recommender Systems). μ is their mean, n_u and n_i count them; users and items are solved for in turn,
    each exactly (with ν = 1 the weighted ridge of Zhou et al. 2008). Events without a rating are not looked
    at; of several ratings of an item by a user each counts.

    An item is ranked by its predicted rating: for users who did not train, by μ + b_i. Items that did not
    train are not recommended. The defaults are for MovieLens-1M, a tenth of it held back at random.

    width   numbers in p and q
    ridge   λ, and `ridge_power` ν
    sweeps  how often users and items are solved for, in turn
    """

    name = "biased-mf"
    needs_known_users = True
    """A history tells what was taken, not how it was rated: nothing to fit a new user's vector to."""

    def __init__(
        self,
        *,
        width: int = 32,
        ridge: float = 1.2,
        ridge_power: float = 0.5,
        sweeps: int = 12,
        seed: int = 0,
    ) -> None:
        self._width, self._sweeps, self._seed = width, sweeps, seed
        self._ridge, self._ridge_power = ridge, ridge_power

    def fit(self, training: Interactions) -> None:
        """Solve for users and items in turn, from random items. Raises NotApplicable without ratings."""
        if training.rating is None or np.isnan(training.rating).all():
            raise NotApplicable("the log has no ratings")
        rated = ~np.isnan(training.rating)
        rating, user, item = training.rating[rated], training.user[rated], training.item[rated]
        self._mean = float(rating.mean(dtype=np.float64))
        value = (rating - self._mean).astype(np.float32)
        shape = (len(training.users), len(training.items))
        by_user, by_item = _matrix(user, item, value, shape), _matrix(item, user, value, shape[::-1])
        self._trained = np.diff(by_item.indptr) > 0
        # Column 0 is the bias.
        random = np.random.default_rng(self._seed).normal(0.0, 0.1, (shape[1], 1 + self._width))
        random[:, 0] = 0.0
        self._items = np.where(self._trained[:, None], random, 0.0).astype(np.float32)
        for _ in range(self._sweeps):
            self._users = self._solve(by_user, self._items)
            self._items = self._solve(by_item, self._users)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The k items of the highest predicted ratings, int32 [batch, k]."""
        users = self._users[histories.user]

        def scores(here: slice) -> NDArray[np.float32]:
            # Without μ and b_u, which are the same for all items.
            rated = users[here, 1:] @ self._items[:, 1:].T + self._items[:, 0]
            return np.where(self._trained, rated, np.float32(-np.inf))

        return best_of_blocks(scores, histories.seen, cells=len(self._items), k=k)

    def ratings(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float64]:
        """float64 [n], in the log's unit, not held within its bounds; what is unknown adds nothing."""
        users, items = self._users[user].astype(np.float64), self._items[item].astype(np.float64)
        product = (users[:, 1:] * items[:, 1:]).sum(axis=1)
        predicted: NDArray[np.float64] = self._mean + users[:, 0] + items[:, 0] + product
        return predicted

    def _solve(self, matrix: csr_array, others: NDArray[np.float32]) -> NDArray[np.float32]:
        bias = others[matrix.indices, 0]
        residual = csr_array((matrix.data - bias, matrix.indices, matrix.indptr), shape=matrix.shape)
        features = others.copy()
        features[:, 0] = 1.0
        counts = np.maximum(np.diff(matrix.indptr), 1)
        return solve_rows(residual, features, ridge=self._ridge * counts**self._ridge_power)


def _matrix(
    row: NDArray[np.int32], column: NDArray[np.int32], value: NDArray[np.float32], shape: tuple[int, int]
) -> csr_array:
    # Not scipy's own, which adds up what occurs more than once.
    order = np.argsort(row, kind="stable")
    start = np.searchsorted(row[order], np.arange(shape[0] + 1))
    return csr_array((value[order], column[order], start), shape=shape)

"""Neural collaborative filtering."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from training.evaluation.histories import Histories
from training.interactions import Interactions
from training.rivals.pair_answers import best_items, probabilities
from training.rivals.pair_config import PairFit
from training.rivals.pair_model import fit_pairs

_CONFIG = PairFit(width=64, epochs=16, decay=1e-3)


class NeuMF:
    """Says by σ(w·(p_u ∘ q_i) + MLP([p'_u, q'_i])) how probable it is that u takes i.

    Generalised matrix factorisation and a multi-layer perceptron, each with vectors of its own, side by side
    (He, Liao, Zhang, Nie, Hu and Chua 2017, Neural Collaborative Filtering), trained together from the start
    with binary cross-entropy; the negatives are drawn evenly from the items that the user did not take. A
    pair counts once, whatever the event's type.

    A user who did not train is folded in when he is asked about (`pair_answers.user_vectors`). Items that did
    not train are not recommended.

    hidden  widths of the perceptron's layers
    config  of the fit; of its `width`, half is p or q, half p' or q'

    The defaults are the best of four that were tried on MovieLens-1M, leave-one-out, by the validation items.
    """

    name = "neumf"

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (32, 16, 8),
        config: PairFit = _CONFIG,
        seed: int = 0,
    ) -> None:
        self._network = partial(NeuMFNetwork, width=config.width, hidden=hidden)
        self._held = 2 * max(hidden)
        self._config = replace(config, seed=seed)

    def fit(self, training: Interactions) -> None:
        """Train anew. Raises NotApplicable where the log is empty."""
        self._model = fit_pairs(training, self._network, self._config)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The k most probable items, int32 [batch, k]."""
        return best_items(self._model, histories, held=self._held, k=k)

    def probabilities(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """float64 [batch, c], for item codes int32 [batch, c]."""
        return probabilities(self._model, histories, items)


class NeuMFNetwork(nn.Module):
    """users [g, m, width], items [g, c, width] → logits [g, m, c]."""

    def __init__(self, *, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self._factors = factors = width // 2
        self.of_product = nn.Linear(factors, 1, bias=False)
        # The first layer of [p', q'] in two parts, so that each is done once for a user or an item.
        self.of_user = nn.Linear(factors, hidden[0])
        self.of_item = nn.Linear(factors, hidden[0], bias=False)
        layers: list[nn.Module] = []
        for width, narrower in zip(hidden, (*hidden[1:], 1), strict=True):
            layers += [nn.ReLU(), nn.Linear(width, narrower)]
        self.of_pair = nn.Sequential(*layers)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """As of the class."""
        user, deep_user = users[..., : self._factors], users[..., self._factors :]
        item, deep_item = items[..., : self._factors], items[..., self._factors :]
        product: Tensor = (user * self.of_product.weight[0]) @ item.transpose(1, 2)
        first = self.of_user(deep_user)[:, :, None] + self.of_item(deep_item)[:, None]  # [g, m, c, hidden]
        deep: Tensor = self.of_pair(first)[..., 0]
        return product + deep

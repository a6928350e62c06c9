"""Collaborative filtering with an attention layer over the two embeddings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.evaluation.histories import Histories
from training.interactions import Interactions
from training.rivals.pair_answers import best_items, probabilities
from training.rivals.pair_config import PairFit
from training.rivals.pair_model import fit_pairs

_CONFIG = PairFit(width=32, epochs=10, decay=1e-3)


class AttentionCF:
    """The textbook's "attention CF": [user, item] as a sequence of two tokens.

    The embeddings of a user and an item go through multi-head self-attention (Vaswani et al. 2017), are
    flattened, and go through a dense layer with ReLU and one sigmoid unit: how probable it is that the user
    takes the item. Nothing of the history's order is in it. Trained with binary cross-entropy; the negatives
    are drawn evenly from the items that the user did not take. A pair counts once, whatever the event's type.

    A user who did not train is folded in when he is asked about (`pair_answers.user_vectors`). Items that did
    not train are not recommended.

    heads   of the attention; they divide the config's `width`
    hidden  units of the dense layer
    config  of the fit

    The defaults are the best of four that were tried on MovieLens-1M, leave-one-out, by the validation items.
    """

    name = "attention-cf"

    def __init__(
        self,
        *,
        heads: int = 4,
        hidden: int = 32,
        config: PairFit = _CONFIG,
        seed: int = 0,
    ) -> None:
        self._network = partial(AttentionCFNetwork, width=config.width, heads=heads, hidden=hidden)
        self._held = 4 * config.width + 2 * hidden
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


class AttentionCFNetwork(nn.Module):
    """users [g, m, width], items [g, c, width] → logits [g, m, c].

    The softmax over two tokens is a sigmoid. The attention has no output projection of its own: it would be
    one linear map before another, the dense layer's.
    """

    def __init__(self, *, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self._heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.of_pair = nn.Sequential(nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """As of the class."""
        # Each once for a user or an item, [g, heads, m or c, width / heads].
        user_query, user_key, user_value = self._projected(users)
        item_query, item_key, item_value = self._projected(items)
        # How much more a token attends to the item than to the user, [g, heads, m, c].
        from_user = user_query @ item_key.transpose(2, 3) - (user_query * user_key).sum(-1)[..., None]
        from_item = (item_query * item_key).sum(-1)[:, :, None] - user_key @ item_query.transpose(2, 3)
        share = torch.sigmoid(torch.stack([from_user, from_item]) * user_query.shape[-1] ** -0.5)
        tokens = torch.lerp(
            user_value.transpose(1, 2)[:, :, None, None],
            item_value.transpose(1, 2)[:, None, :, None],
            share.permute(1, 3, 4, 0, 2)[..., None],
        )  # [g, m, c, 2, heads, width / heads]
        logits: Tensor = self.of_pair(tokens.flatten(3))[..., 0]
        return logits

    def _projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        split = self.query_key_value(tokens).unflatten(-1, (3, self._heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        return query, key, value

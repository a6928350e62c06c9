"""Hard attention: the one position with the highest score, argmax(QKᵀ) V."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.attention.masking import MASKED, masked_softmax


class Hard(nn.Module):
    """w = one-hot(argmax(q kᵀ / √d + prior)), the first one where several tie.

    An argmax has no gradient. In training the weights are one-hot forwards and have the softmax's gradient
    backwards (the straight-through estimator: Bengio, Léonard and Courville, 2013); served, the softmax is
    not computed at all.
    """

    compares_by_products = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self._scale = 1.0 / math.sqrt(width)

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """As of `Mechanism`."""
        scores = queries @ keys.transpose(-1, -2) * self._scale + prior
        best = (scores + (1.0 - allowed) * MASKED).argmax(-1, keepdim=True)
        place = torch.arange(keys.shape[-2], device=keys.device)
        one_hot = (place == best).to(scores.dtype) * allowed
        if not self.training:
            return one_hot
        soft = masked_softmax(scores, allowed)
        return one_hot + soft - soft.detach()

"""Scaled dot-product attention: softmax(QKᵀ / √d) V."""

from __future__ import annotations

import math

from torch import Tensor, nn

from models.attention.masking import masked_softmax


class ScaledDotProduct(nn.Module):
    """w = softmax(q kᵀ / √d + prior). Vaswani et al., Attention Is All You Need, 2017, equation 1.

    The root keeps the scores' variance at 1 whatever d is, so that the softmax does not saturate.
    """

    compares_by_products = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self._scale = 1.0 / math.sqrt(width)

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """As of `Mechanism`."""
        return masked_softmax(queries @ keys.transpose(-1, -2) * self._scale + prior, allowed)

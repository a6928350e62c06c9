"""Pointwise attention: SiLU(QKᵀ) V / L, without a softmax."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(nn.Module):
    """w = SiLU(q kᵀ + prior) / L. HSTU: Zhai et al., Actions Speak Louder than Words, 2024, equation 2.

    Each key is weighed by itself: the weights need not sum to 1, so that their sum tells how much of the
    history matters at all, and may be slightly negative. L is `length`, the most keys there can be: the
    same whatever a batch is cut to.
    """

    compares_by_products = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """As of `Mechanism`."""
        return F.silu(queries @ keys.transpose(-1, -2) + prior) * allowed / self._length

"""Multiplicative attention in gated form: softmax(sigmoid(QKᵀ)) V."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.attention.masking import masked_softmax


class Gated(nn.Module):
    """w = softmax(sigmoid(q kᵀ) + prior): Luong's multiplicative score (2015) squeezed through a gate.

    A product counts for 0 to 1, so that one key gets at most e times what another gets: no key can take all
    the attention, and what is near or late must be told by the prior, which is outside the gate.
    """

    compares_by_products = True

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """As of `Mechanism`."""
        return masked_softmax(torch.sigmoid(queries @ keys.transpose(-1, -2)) + prior, allowed)

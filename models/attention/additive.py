"""Additive attention: softmax(vᵀ tanh(W_q q + W_k k)) V."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.attention.masking import masked_softmax


class Additive(nn.Module):
    """w = softmax(vᵀ tanh(W_q q + W_k k) + prior). Bahdanau, Cho and Bengio, 2015.

    A small network compares the two, so that they may mean different things. Every pair has a vector of its
    own, [batch, heads, Q, L, d]: in training on long histories that is d times the memory of a product.
    """

    compares_by_products = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """As of `Mechanism`."""
        compared = torch.tanh(self.query(queries)[..., :, None, :] + self.key(keys)[..., None, :, :])
        return masked_softmax(self.score(compared)[..., 0] + prior, allowed)

"""Scaled dot-product attention (Vaswani et al., 2017) whose weights are zeros where nothing may be attended
to."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MASKED = -1e4
"""Added to scores that are masked out. −1e9 is −inf in half precision, and makes such a row not-a-number."""


class ScaledDotProduct(nn.Module):
    """Multi-head attention with the mask applied twice.

    After the softmax the weights are multiplied by the mask once more: a row that may attend to nothing is
    then zeros, where it would else be uniform over padding.
    """

    def __init__(self, *, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"width {width} cannot be cut into {heads} heads; choose a multiple of the heads"
            )
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Attend from `queries` [batch, Q, d] to `keys` [batch, L, d].

        `allowed` float32 [batch or 1, 1, Q, L] is 1 where a query may see a key, else 0; `prior` [batch or 1,
        heads, Q, L], added to the scores, carries what is known of positions and times.
        Returns the mixture [batch, Q, d] and the weights [batch, heads, Q, L].
        """
        length, width = keys.shape[1], keys.shape[2]
        q = self.query(queries).reshape(-1, queries.shape[1], self.heads, width // self.heads).transpose(1, 2)
        k, v = (
            self.key_value(keys)
            .reshape(-1, length, 2, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        scores = q @ k.transpose(-1, -2) * (1.0 / math.sqrt(width // self.heads))  # [batch, heads, Q, L]
        if prior is not None:
            scores = scores + prior
        weights = torch.softmax(scores + (1.0 - allowed) * MASKED, dim=-1) * allowed
        mixed = (self.dropout(weights) @ v).transpose(1, 2).reshape(-1, queries.shape[1], width)
        return self.output(mixed), weights

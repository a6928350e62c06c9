"""The block of LiGR: attention, then a feed-forward layer; each adds what its gate lets through."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.attention.mechanism import Mechanism
from models.attention.multi_head import MultiHead
from models.blocks.relative_bias import RelativeBias
from models.dropout import Dropout
from models.pairs import Stripe


class GatedResidualBlock(nn.Module):
    """x + F(x) ⊙ sigmoid(W x) for F = attention, then for F = feed-forward, each on the normalised x.

    Borisyuk et al., From Features to Transformers: Redefining Ranking for Scalable Impact, 2025: the gates
    let deep stacks learn where plain residuals collapse.
    """

    def __init__(
        self,
        mechanism: Callable[[int], Mechanism],
        *,
        width: int,
        heads: int,
        max_length: int,
        dropout: float,
        timed: bool,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = MultiHead(mechanism, width=width, heads=heads)
        self.attention_gate = nn.Linear(width, width)
        self.bias = RelativeBias(heads=heads, max_length=max_length, timed=timed)
        self.forward_norm = nn.LayerNorm(width)
        self.forward_layer = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.forward_gate = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, stripes: Sequence[Stripe]) -> tuple[Tensor, Tensor]:
        """States [batch, L, d] → those of the stripes' Q queries, [batch, Q, d], and the last one's weights,
        [batch, heads, 1, L]."""
        first = stripes[0].queries.start
        normed = self.attention_norm(x)
        mixed, weights = self.attention(normed, stripes, self.bias)
        x = x[:, first:] + self.dropout(mixed) * torch.sigmoid(self.attention_gate(normed[:, first:]))
        normed = self.forward_norm(x)
        return x + self.dropout(self.forward_layer(normed)) * torch.sigmoid(
            self.forward_gate(normed)
        ), weights

"""The block of HSTU: attention without softmax, gated by the state itself, and no feed-forward layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.attention.multi_head import attend_by_stripes, split_heads
from models.attention.pointwise import Pointwise
from models.blocks.relative_bias import RelativeBias
from models.dropout import Dropout
from models.pairs import Stripe


class PointwiseBlock(nn.Module):
    """x + W₂(norm(w v) ⊙ u) with u, q, k, v = SiLU(W₁ norm(x)) and w as of `Pointwise`.

    Zhai et al., Actions Speak Louder than Words, 2024, equations 1 to 3.
    """

    def __init__(self, *, width: int, heads: int, max_length: int, dropout: float) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(width)
        self.gate_query = nn.Linear(width, 2 * width)
        self.key_value = nn.Linear(width, 2 * width)
        self.heads = heads
        self.mechanism = Pointwise(max_length)
        self.bias = RelativeBias(heads=heads, max_length=max_length, timed=True)
        self.mixed_norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, stripes: Sequence[Stripe]) -> tuple[Tensor, Tensor]:
        """States [batch, L, d] → those of the stripes' Q queries, [batch, Q, d], and the last one's weights,
        [batch, heads, 1, L]."""
        first = stripes[0].queries.start
        normed = self.input_norm(x)
        gate, query = F.silu(self.gate_query(normed[:, first:])).chunk(2, dim=-1)
        q = split_heads(query, self.heads)
        k, v = (split_heads(part, self.heads) for part in F.silu(self.key_value(normed)).chunk(2, dim=-1))
        mixed, weights = attend_by_stripes(self.mechanism, q, k, v, stripes, self.bias)
        return x[:, first:] + self.output(self.dropout(self.mixed_norm(mixed) * gate)), weights

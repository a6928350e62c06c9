"""The moment's circumstances, fused with what the history says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bundle.context import BUCKETS, HOURS, MOMENT_COLUMNS, WEEKDAYS


class ContextFusion(nn.Module):
    """state + W₂ GELU(W₁ [norm(state); c]), c the sum of the vectors of the hour, the weekday and the fields.

    Late fusion (Beutel et al., Latent Cross, 2018, fuse by a product, which a layer over both includes): the
    same user may want another thing at night than in the morning. W₂ starts at 0, where the moment changes
    nothing.
    """

    def __init__(self, width: int, fields: int) -> None:
        super().__init__()
        self.hour = nn.Embedding(HOURS + 1, width)
        self.weekday = nn.Embedding(WEEKDAYS + 1, width)
        self.field = nn.Embedding(BUCKETS + 1, width) if fields else None
        self.norm = nn.LayerNorm(width)
        self.mixed = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        last = self.mixed[2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        for table in (self.hour, self.weekday, self.field):
            if table is not None:
                nn.init.normal_(table.weight, std=0.5)

    def forward(self, states: Tensor, context: Tensor) -> Tensor:
        """`states` [batch, Q, d] and codes int [batch, Q, C] of `models.bundle.context` → [batch, Q, d]"""
        moment = self.hour(context[..., 0]) + self.weekday(context[..., 1])
        if self.field is not None:
            own = context[..., MOMENT_COLUMNS:]
            moment = moment + (self.field(own) * (own > 0)[..., None].to(states.dtype)).sum(-2)
        fused: Tensor = states + self.mixed(torch.cat([self.norm(states), moment], dim=-1))
        return fused

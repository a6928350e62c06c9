"""The encoder: a history → a vector that points at the next item.

SASRec (Kang and McAuley, 2018) with the gated residuals of LiGR (Borisyuk et al., 2025), the types of the
events and the times between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention.scaled_dot_product import ScaledDotProduct
from models.bundle.signature import EVENT_TYPES

_TIME_SCALE = 0.1
"""log1p of seconds reaches 17 after a year; scaled so, it stays near 1 like everything else."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The encoder's sizes: `max_length` is L, `width` is d."""

    max_length: int = 50
    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.3


class Encoder(nn.Module):
    """Blocks of causal self-attention over the items of a history, given as their vectors.

    Only differences of times count, so that a position learns the same wherever a window was cut.
    """

    causal: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.types = nn.Embedding(len(EVENT_TYPES), config.width)
        self.gap = nn.Linear(1, config.width)
        for weight in (self.types.weight, self.gap.weight):
            nn.init.normal_(weight, std=0.02)
        nn.init.zeros_(self.gap.bias)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.register_buffer(
            "causal", torch.ones(config.max_length, config.max_length).tril(), persistent=False
        )

    def forward(
        self, items: Tensor, item_ids: Tensor, event_types: Tensor, time_deltas: Tensor, *, last_only: bool
    ) -> tuple[Tensor, Tensor]:
        """Encode histories [batch, L], left-padded; `items` float32 [batch, L, d] are the vectors of
        `item_ids`.

        event_types  int [batch, L]; time_deltas  float32 [batch, L], seconds before now
        Returns the states, [batch, L, d], and the last block's weights, [batch, heads, L, L]. With
        `last_only` the last block computes the newest position alone: [batch, 1, d] and [batch, heads, 1, L].
        Each position's own event is its "now", but for the newest of `last_only`, whose now is the one that
        the deltas are from.
        """
        real = (item_ids > 0).to(items.dtype)
        gaps = F.pad((time_deltas[:, :-1] - time_deltas[:, 1:]).clamp(min=0.0) * real[:, :-1], (1, 0))
        x = items + self.types(event_types) + self.gap(_scaled_log(gaps)[..., None])
        x = self.dropout(x)
        allowed = self.causal * real[:, None, None, :]  # [batch, 1, L, L]
        elapsed = _scaled_log((time_deltas[:, None, None, :] - time_deltas[:, None, :, None]).clamp(min=0.0))
        weights = allowed
        for number, block in enumerate(self.blocks, start=1):
            newest_only = last_only and number == len(self.blocks)
            if newest_only:
                allowed, elapsed = real[:, None, None, :], _scaled_log(time_deltas)[:, None, None, :]
            x, weights = block(x, allowed, elapsed, newest_only=newest_only)
        return self.norm(x), weights


class _Block(nn.Module):
    """Attention, then a feed-forward layer; each adds what its gate lets through."""

    distance: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = ScaledDotProduct(width=width, heads=config.heads)
        self.attention_gate = nn.Linear(width, width)
        # How a head's interest changes with the time gone by, and how fast the change itself does.
        self.time_slope = nn.Parameter(torch.zeros(config.heads, 1, 1))
        self.time_curve = nn.Parameter(torch.zeros(config.heads, 1, 1))
        # By how many places a key lies before its query.
        self.distance_prior = nn.Parameter(torch.zeros(config.heads, config.max_length))
        place = torch.arange(config.max_length)
        self.register_buffer("distance", (place[:, None] - place).clamp(min=0), persistent=False)
        self.forward_norm = nn.LayerNorm(width)
        self.forward_layer = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.forward_gate = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, allowed: Tensor, elapsed: Tensor, *, newest_only: bool
    ) -> tuple[Tensor, Tensor]:
        keys = self.attention_norm(x)
        queries = keys[:, -1:] if newest_only else keys
        x = x[:, -1:] if newest_only else x
        distance = self.distance[-1:] if newest_only else self.distance
        # [batch, heads, Q, L]
        prior = elapsed * (self.time_slope + self.time_curve * elapsed) + self.distance_prior[:, distance]
        mixed, weights = self.attention(queries, keys, allowed, prior)
        x = x + self.dropout(mixed) * torch.sigmoid(self.attention_gate(queries))
        normed = self.forward_norm(x)
        return x + self.dropout(self.forward_layer(normed)) * torch.sigmoid(
            self.forward_gate(normed)
        ), weights


def _scaled_log(seconds: Tensor) -> Tensor:
    return torch.log1p(seconds) * _TIME_SCALE

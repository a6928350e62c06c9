"""The encoder: a history → a vector that points at the next item.

SASRec (Kang and McAuley, 2018) with the gated residuals of LiGR (Borisyuk et al., 2025), or another member of
the attention family, the types of the events, the times between them, and the moment's circumstances.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.named import block
from models.blocks.relative_bias import LOG_SCALE
from models.bundle.signature import EVENT_TYPES
from models.context_fusion import ContextFusion
from models.dropout import Dropout
from models.encoder_config import EncoderConfig
from models.pairs import Stripe, causal_stripes, newest_stripe


class Encoder(nn.Module):
    """Blocks of causal self-attention over the items of a history, given as their vectors.

    Only differences of times count, so that a position learns the same wherever a window was cut.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.types = nn.Embedding(len(EVENT_TYPES), config.width)
        self.gap = nn.Linear(1, config.width)
        for weight in (self.types.weight, self.gap.weight):
            nn.init.normal_(weight, std=0.02)
        nn.init.zeros_(self.gap.bias)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            block(
                config.attention,
                width=config.width,
                heads=config.heads,
                max_length=config.max_length,
                dropout=config.dropout,
            )
            for _ in range(config.blocks)
        )
        self.context_fusion = (
            None if config.context is None else ContextFusion(config.width, len(config.context))
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self,
        items: Tensor,
        item_ids: Tensor,
        event_types: Tensor,
        time_deltas: Tensor,
        context: Tensor | None = None,
        *,
        last_only: bool,
    ) -> tuple[Tensor, Tensor]:
        """Encode histories [batch, L], left-padded; L is at most `max_length`.

        items        float32 [batch, L, d], the vectors of `item_ids`
        event_types  int [batch, L]; time_deltas  float32 [batch, L], seconds before now
        context      int [batch, L, C], each position's own, or [batch, 1, C] with `last_only`; for an encoder
                     that was made with it
        Returns the states, [batch, L, d], and the last block's weights at the newest position,
        [batch, heads, 1, L]. With `last_only` the last block computes that position alone: [batch, 1, d].
        Each position's own event is its "now", or the next event with the query time "target"; that of the
        newest is then the moment that the deltas are from, as it always is with `last_only`.
        """
        real = (item_ids > 0).to(items.dtype)
        gaps = F.pad((time_deltas[:, :-1] - time_deltas[:, 1:]).clamp(min=0.0) * real[:, :-1], (1, 0))
        x = items + self.types(event_types) + self.gap(torch.log1p(gaps)[..., None] * LOG_SCALE)
        x = self.dropout(x)
        weights = real
        for layer, stripes in zip(
            self.blocks, self._stripes(real, time_deltas, last_only=last_only), strict=True
        ):
            x, weights = layer(x, stripes)
        if self.context_fusion is not None:
            if context is None:
                raise ValueError("this encoder was made with a context; give the moment's codes")
            x = self.context_fusion(x, context)
        return self.norm(x), weights

    def _stripes(self, real: Tensor, time_deltas: Tensor, *, last_only: bool) -> list[list[Stripe]]:
        """Those of each block."""
        timed, blocks = self.config.is_timed, len(self.blocks)
        newest = [newest_stripe(real, time_deltas, timed=timed)] if last_only else []
        of_all = blocks - len(newest)
        if not of_all:
            return newest
        asked = F.pad(time_deltas[:, 1:], (0, 1)) if self.config.query_time == "target" else None
        return [causal_stripes(real, time_deltas, timed=timed, asked=asked)] * of_all + newest

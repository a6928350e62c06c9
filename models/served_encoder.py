"""The graph of `encoder.onnx`: histories and a catalogue in, the best items out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.bundle.signature import NO_CANDIDATE_SCORE, UNAVAILABLE_BIAS
from models.encoder import Encoder
from models.top_k import block_top_k, row_top_k


class ServedEncoder(nn.Module):
    """An encoder, the product with the whole catalogue, and the best `k_limit` of it.

    The catalogue is an input, so that rows can be added and taken out while it serves. With `in_blocks` V
    must be at least 256 × k_limit for good; a catalogue only ever grows, so that the choice made at the
    export holds.
    """

    def __init__(self, encoder: Encoder, *, k_limit: int, in_blocks: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.k_limit = k_limit
        self.in_blocks = in_blocks

    def forward(
        self,
        item_ids: Tensor,
        event_types: Tensor,
        time_deltas: Tensor,
        exclude_ids: Tensor,
        item_vectors: Tensor,
        item_bias: Tensor,
        context: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `models.bundle.signature` for the shapes; returns topk_ids, topk_scores and attention."""
        items = F.embedding(item_ids, item_vectors).to(torch.float32)
        moment = None if context is None else context[:, None]  # [batch, 1, C]
        states, weights = self.encoder(items, item_ids, event_types, time_deltas, moment, last_only=True)
        state = states[:, 0].to(item_vectors.dtype)  # [batch, d]
        scores = (state @ item_vectors.T).to(torch.float32) + item_bias  # [batch, V]
        scores = scores.scatter(1, exclude_ids.long(), UNAVAILABLE_BIAS)
        best, rows = block_top_k(scores, self.k_limit) if self.in_blocks else row_top_k(scores, self.k_limit)
        rows = torch.where(best > NO_CANDIDATE_SCORE, rows, 0).to(torch.int32)
        return rows, best, _hint(weights)


def _hint(weights: Tensor) -> Tensor:
    """Weights [batch, heads, 1, L] of the last block → [batch, L] that sums to 1, or to 0 where nothing is
    real. Pointwise weights may be negative: pushing away is attention too."""
    mean = weights[:, :, 0].abs().mean(1)
    return mean / mean.sum(1, keepdim=True).clamp(min=1e-9)

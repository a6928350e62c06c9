"""An encoder together with its catalogue: what is trained."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.bundle.signature import UNAVAILABLE_BIAS
from models.encoder import Encoder
from models.encoder_config import EncoderConfig
from models.objective import Objective


class SequenceModel(nn.Module):
    """`vectors` [items, d] are the input embedding and the output matrix alike; `bias` [items].

    They have no padding row: row r of the catalogue is `vectors[r - 1]`.
    """

    def __init__(self, config: EncoderConfig, *, vectors: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.vectors = nn.Parameter(vectors.clone())
        self.bias = nn.Parameter(bias.clone())

    def loss(
        self,
        item_ids: Tensor,
        event_types: Tensor,
        time_deltas: Tensor,
        targets: Tensor,
        weights: Tensor,
        context: Tensor | None = None,
        *,
        objective: Objective,
    ) -> Tensor:
        """The objective's loss of every position that has a target.

        item_ids, event_types, targets  int64 [batch, L]; a target of 0 = none
        time_deltas, weights            float32 [batch, L]; a negative weight counts against its target
        context                         int [batch, L, C], for an encoder that was made with it
        """
        items = F.embedding((item_ids - 1).clamp(min=0), self.vectors) * (item_ids > 0)[..., None]
        states, _ = self.encoder(items, item_ids, event_types, time_deltas, context, last_only=False)
        chosen = (targets > 0) & (item_ids > 0)
        return objective(states[chosen], self.vectors, self.bias, targets[chosen] - 1, weights[chosen])

    def catalogue(self, rows: int) -> tuple[Tensor, Tensor]:
        """The tables as they are served: vectors [rows, d] and bias [rows], padded to `rows`."""
        vectors = self.vectors.new_zeros(rows, self.vectors.shape[1])
        bias = self.bias.new_full((rows,), UNAVAILABLE_BIAS)
        with torch.no_grad():
            vectors[1 : len(self.vectors) + 1] = self.vectors
            bias[1 : len(self.bias) + 1] = self.bias
        return vectors, bias

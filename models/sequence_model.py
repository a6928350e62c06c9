"""An encoder together with its catalogue: what is trained."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.bundle.signature import UNAVAILABLE_BIAS
from models.encoder import Encoder
from models.encoder_config import EncoderConfig
from models.known_items import KnownItems
from models.objective import Objective


class SequenceModel(nn.Module):
    """`vectors` [items, d] are the input embedding and the output matrix alike; `bias` [items].

    They have no padding row: row r of the catalogue is `vectors[r - 1]`. With `known` an item's vector is
    made of its id's, in `vectors`, and of its fields; without, it is its id's. `item_table` gives it either
    way. Its bias is its own.
    """

    def __init__(
        self, config: EncoderConfig, *, vectors: Tensor, bias: Tensor, known: KnownItems | None = None
    ) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.vectors = nn.Parameter(vectors.clone())
        self.bias = nn.Parameter(bias.clone())
        self.known = known

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
        vectors = self.vectors if self.known is None else self.known(self.vectors)[0]
        items = F.embedding((item_ids - 1).clamp(min=0), vectors) * (item_ids > 0)[..., None]
        states, _ = self.encoder(items, item_ids, event_types, time_deltas, context, last_only=False)
        chosen = (targets > 0) & (item_ids > 0)
        return objective(states[chosen], vectors, self.bias, targets[chosen] - 1, weights[chosen])

    def item_parameters(self) -> Iterator[nn.Parameter]:
        """What is learnt of the items' fields; nothing where there are none."""
        return iter(()) if self.known is None else self.known.parameters()

    @torch.no_grad()
    def item_table(self) -> tuple[Tensor, Tensor]:
        """The finished vectors [items, d] and biases [items], as they are served."""
        if self.known is None:
            return self.vectors.detach(), self.bias.detach()
        return self.known.finished(self.vectors)[0], self.bias.detach()

    def catalogue(self, rows: int) -> tuple[Tensor, Tensor]:
        """The tables as they are served: vectors [rows, d] and bias [rows], padded to `rows`."""
        found, own = self.item_table()
        vectors = found.new_zeros(rows, found.shape[1])
        bias = own.new_full((rows,), UNAVAILABLE_BIAS)
        vectors[1 : len(found) + 1] = found
        bias[1 : len(own) + 1] = own
        return vectors, bias

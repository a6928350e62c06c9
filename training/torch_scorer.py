"""A trained model as a scorer, without an export."""

from __future__ import annotations

import torch
from torch import Tensor

from models.bundle.signature import capacity
from models.sequence_model import SequenceModel
from models.served_encoder import ServedEncoder
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked

K_LIMIT = 100
"""K of every bundle: what a host can truncate, filter and explore in."""


class TorchScorer:
    """Runs the very graph that is exported, on torch.

    `more` are further items' vectors [m, d] and biases [m], which get the rows after the model's own.
    """

    def __init__(
        self, model: SequenceModel, *, k_limit: int = K_LIMIT, more: tuple[Tensor, Tensor] | None = None
    ) -> None:
        model.eval()
        first, added = len(model.vectors) + 1, 0 if more is None else len(more[0])
        rows = capacity(first - 1 + added)
        self._served = ServedEncoder(model.encoder, k_limit=min(k_limit, rows), in_blocks=False).eval()
        self._vectors, self._bias = model.catalogue(rows)
        if more is not None:
            self._vectors[first : first + added], self._bias[first : first + added] = more

    @torch.inference_mode()
    def score(self, inputs: ModelInputs) -> Ranked:
        """Best first, [batch, K]; 0 where no candidate is left."""
        arrays = (inputs.item_ids, inputs.event_types, inputs.time_deltas, inputs.exclude_ids)
        context = () if inputs.context is None else (torch.from_numpy(inputs.context),)
        answer = self._served(*map(torch.from_numpy, arrays), self._vectors, self._bias, *context)
        return Ranked(*(tensor.numpy() for tensor in answer))

"""An item's vector from what is told of it: attention over its fields, of which its id may be one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention.masking import masked_softmax
from models.bundle.item_features import EMBEDDING, NUMBERS, FeatureSchema
from models.bundle.item_tokens import PADDING

_HIDDEN = 16
_CENTRES = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
_SPREAD = 0.5
"""Standard deviations between the bumps that a number is seen through, and their width."""


def attend(fields: Tensor, scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of field vectors [n, F, d], weighted by softmax(`scores` [n, F]) over the fields of `mask`.

    Returns it, [n, d], and the weights, [n, F]: 0 or more, exactly 0 outside the mask, of sum 1; an item
    without any field has weights of 0 and the zero vector.
    """
    weights = masked_softmax(scores, mask.to(fields.dtype))
    return (weights[..., None] * fields).sum(1), weights


def number_basis(numbers: Tensor) -> Tensor:
    """Standardised numbers [n, P] → [n, P × 10]: each as it is, and its nearness to nine places.

    A linear function of it can say "of the nineties", which one of the year itself cannot.
    """
    centres = torch.tensor(_CENTRES, dtype=numbers.dtype, device=numbers.device)
    near = torch.exp(-0.5 * ((numbers[..., None] - centres) / _SPREAD).square())  # [n, P, 9]
    basis: Tensor = torch.cat([numbers[..., None] / len(_CENTRES), near], dim=2).flatten(1)
    return basis


def unit_embedding(embedding: Tensor) -> Tensor:
    """Given vectors [n, A] at length 1; what gave them may have had any scale."""
    # By the largest first: the square of 1e30 does not fit.
    scaled = embedding / embedding.abs().amax(1, keepdim=True).clamp(min=1e-30)
    unit: Tensor = scaled / scaled.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return unit


class ItemTower(nn.Module):
    """The graph of `item_tower.onnx`: the fields of items that nobody has touched → vector and bias.

    Each field gives a vector of its own, an estimate of the item's, and says what it thinks of the item's
    popularity. Text fields: the mean of their tokens' rows (fastText's way); numbers: a linear function of
    `number_basis`; embedding: one of `unit_embedding`. Which field is trusted is decided by attention: a
    score for each, made of its vector by a small network (additive attention, Bahdanau et al., 2015), then
    softmax. `typical_bias` is the bias of an item of which nothing else is known.
    """

    typical_bias: Tensor
    is_text: Tensor

    def __init__(self, schema: FeatureSchema, *, width: int, scale: float = 0.1) -> None:
        super().__init__()
        self.schema, self.width, self._scale = schema, width, scale
        # The last column is for the bias.
        self.tokens = nn.Parameter(torch.zeros(schema.buckets + 1, width + 1))
        self.numbers = nn.Parameter(torch.zeros(schema.number_width * (1 + len(_CENTRES)), width + 1))
        self.embedding = nn.Parameter(torch.zeros(schema.embedding_width, width + 1))
        self.prior = nn.Parameter(torch.zeros(len(schema.fields)))
        self.hidden = nn.Linear(width, _HIDDEN)
        self.score = nn.Parameter(torch.zeros(_HIDDEN))
        self.by_length = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("typical_bias", torch.zeros(()))
        # What no field is made of gets no gradient, and processes that share a fit would wait for it.
        texts = set(schema.fields) - {NUMBERS, EMBEDDING}
        self.tokens.requires_grad_(bool(texts))
        self.numbers.requires_grad_(NUMBERS in schema.fields)
        self.embedding.requires_grad_(EMBEDDING in schema.fields)

    def forward(
        self, field_tokens: Tensor, numbers: Tensor, embedding: Tensor, field_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs as of `models.bundle.item_features.ItemInputs`.

        Returns vector [n, d], bias [n] and field_weights [n, F].
        """
        real = (field_tokens != PADDING).to(self.tokens.dtype)
        mean = real / real.sum(2, keepdim=True).clamp(min=1.0)  # [n, F, M]
        texts = (F.embedding(field_tokens.long(), self.tokens) * mean[..., None]).sum(2)  # [n, F, d + 1]
        fields = self.field_vectors(texts, number_basis(numbers), unit_embedding(embedding))
        found, weights = attend(fields, self.scores(fields), field_mask)
        return found[:, :-1], self.typical_bias + found[:, -1], weights

    def field_vectors(self, texts: Tensor, basis: Tensor, embedding: Tensor) -> Tensor:
        """All fields' vectors, [n, F, d + 1]: `texts` [n, F, d + 1], where those of numbers and embedding are
        zeros, with those two filled in."""
        columns = list(texts.unbind(1))
        for place, name in enumerate(self.schema.fields):
            if name == NUMBERS:
                columns[place] = basis @ self.numbers
            elif name == EMBEDDING:
                columns[place] = embedding @ self.embedding
        return torch.stack(columns, dim=1)

    def scores(self, fields: Tensor) -> Tensor:
        """How much each field is trusted, before the softmax: [n, F]; near 0 for a vector as long as an id's.

        A field that starts from a regression has a short vector where it knows little: so the start is the
        square of the length.
        """
        seen = fields[..., :-1] / self._scale
        length = (seen.square().mean(2) + 1e-4).log() / 2  # log of the root mean square
        trust: Tensor = self.prior + self.by_length * length + F.gelu(self.hidden(seen)) @ self.score
        return trust

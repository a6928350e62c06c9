"""Where the item tower starts from: what the items' fields tell of the vectors that counting gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bundle.item_features import FeatureSchema, item_inputs
from models.item_tower import ItemTower, number_basis, unit_embedding
from models.known_items import KnownItems, token_averages, transposed
from stream_app.domain.messages import Item

_ROUNDS = 30


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """How the tower is made.

    id_dropout   how often an item's id is left out in training
    half_trust   events at which an id is trusted as much as a field that knows the item's vector
    half_weight  events at which an item has half of the most weight in the regressions at the start
    text_ridge, number_ridge, embedding_ridge  how far each is drawn to zero at the start
    welcome      added to the bias of items that nobody has touched, in nats: they are shown somewhat oftener
                 than they are known to be taken, or nobody would ever take them
    """

    id_dropout: float = 0.15
    half_trust: float = 2.0
    half_weight: float = 20.0
    text_ridge: float = 0.03
    number_ridge: float = 30.0
    embedding_ridge: float = 100.0
    welcome: float = 1.5


def known_items(
    items: Sequence[Item],
    schema: FeatureSchema,
    *,
    vectors: Tensor,
    counts: NDArray[np.float64],
    config: TowerConfig,
) -> KnownItems:
    """A tower for a catalogue whose ids start at `vectors` [items, d].

    Each field starts as the ridge regression of those on it alone, an item weighing the more the oftener it
    occurs (`counts`, float64 [items]). So a vector is from the first step on near to those of items of like
    fields, and an item that hardly occurred is near to them as well: its id is trusted like counts /
    `half_trust` fields.
    """
    inputs = item_inputs(items, schema)
    tower = ItemTower(schema, width=vectors.shape[1])
    weight = torch.from_numpy(counts / (counts + config.half_weight)).float()[:, None]
    # The last column, of the biases, is for `training.untouched_bias`.
    wanted = torch.cat([vectors, vectors.new_zeros(len(vectors), 1)], dim=1)
    averages = token_averages(inputs, tower.tokens.shape[0])
    # The mean of many tokens is short: a field's ridge is in parts of the mean square of what it is made of.
    many = torch.from_numpy((inputs.field_tokens > 0).sum(2))  # [items, F]
    size = (1.0 / many.clamp(min=1) * (many > 0)).sum(0) / (many > 0).sum(0).clamp(min=1)
    fields = len(schema.fields)
    tower.tokens.data = sparse_ridge(
        averages,
        wanted.repeat_interleave(fields, 0),
        weight=(weight / size.clamp(min=1e-3)).reshape(-1, 1),
        ridge=config.text_ridge,
    )
    for table, given, ridge in (
        (tower.numbers, number_basis(torch.from_numpy(inputs.numbers)), config.number_ridge),
        (tower.embedding, unit_embedding(torch.from_numpy(inputs.embedding)), config.embedding_ridge),
    ):
        squares = given.T @ (weight * given) + ridge * torch.eye(given.shape[1])
        table.data = torch.linalg.solve(squares, given.T @ (weight * wanted))
    trust = torch.from_numpy(np.log((counts + 0.1) / config.half_trust)).float()
    return KnownItems(tower, inputs, trust=trust, id_dropout=config.id_dropout)


def sparse_ridge(matrix: Tensor, wanted: Tensor, *, weight: Tensor, ridge: float) -> Tensor:
    """The x [columns, d] that minimises Σ weight · (matrix x − wanted)² + ridge · x², by conjugate gradients.

    matrix  sparse CSR [rows, columns]; wanted [rows, d]; weight [rows, 1]
    """
    turned = transposed(matrix)
    solution = torch.zeros(matrix.shape[1], wanted.shape[1])
    residual = turned @ (weight * wanted)
    direction, size = residual.clone(), residual.square().sum(0)
    for _ in range(_ROUNDS):
        product = turned @ (weight * (matrix @ direction)) + ridge * direction
        step = size / (direction * product).sum(0).clamp(min=1e-20)
        solution += step * direction
        residual -= step * product
        last, size = size, residual.square().sum(0)
        direction = residual + size / last.clamp(min=1e-20) * direction
    return solution

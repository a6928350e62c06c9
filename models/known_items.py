"""The items of a catalogue in training, by their ids and by what is told of them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.bundle.item_features import ItemInputs
from models.item_tower import ItemTower, attend, number_basis, unit_embedding


class KnownItems(nn.Module):
    """Vectors of all items at once, from an id table and a tower.

    The id's own vector is one more field, whose trust is a number that each item has for itself. In training
    it is left out at random, with probability `id_dropout` for each item that has other fields: so the tower
    learns to do without.
    """

    averages: Tensor
    averages_transposed: Tensor
    basis: Tensor
    embedding: Tensor
    mask: Tensor

    def __init__(
        self, tower: ItemTower, inputs: ItemInputs, *, trust: Tensor, id_dropout: float = 0.15
    ) -> None:
        """`trust` float32 [items]: the id's score in the attention at the start."""
        super().__init__()
        self.tower, self.id_dropout = tower, id_dropout
        self.trust = nn.Parameter(trust.clone())
        averages = token_averages(inputs, tower.tokens.shape[0])
        for name, value in (
            ("averages", averages),
            ("averages_transposed", transposed(averages)),
            ("basis", number_basis(torch.from_numpy(inputs.numbers))),
            ("embedding", unit_embedding(torch.from_numpy(inputs.embedding))),
            ("mask", torch.from_numpy(inputs.field_mask)),
        ):
            # Made of the items again when a checkpoint is read.
            self.register_buffer(name, value, persistent=False)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """`ids` [items, d], the ids' own vectors → the items' vectors [items, d], and the weights of their
        fields [items, 1 + F], the id's first."""
        # In mixed precision, too: torch has no sparse products in bfloat16.
        with torch.autocast(ids.device.type, enabled=False):
            return self._attend(ids)

    def _attend(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        tower, (items, fields) = self.tower, self.mask.shape
        texts = _Product.apply(self.averages, self.averages_transposed, tower.tokens)
        told = tower.field_vectors(texts.view(items, fields, -1), self.basis, self.embedding)
        own = torch.cat([ids, ids.new_zeros(items, 1)], dim=1)[:, None]
        scores = torch.cat([self.trust[:, None], tower.scores(told)], dim=1)
        keep = torch.ones(items, dtype=torch.bool, device=ids.device)
        if self.training and self.id_dropout:
            keep = (torch.rand(items, device=ids.device) >= self.id_dropout) | ~self.mask.any(1)
        mask = torch.cat([keep[:, None], self.mask], dim=1)
        found, weights = attend(torch.cat([own, told], dim=1), scores, mask)
        return found[:, :-1], weights

    @torch.no_grad()
    def finished(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with all ids."""
        was_training = self.training
        found: tuple[Tensor, Tensor] = self.eval()(ids)
        self.train(was_training)
        return found


def token_averages(inputs: ItemInputs, rows: int) -> Tensor:
    """The matrix that takes the means of token rows: sparse CSR float32 [n × F, rows].

    Padding counts for nothing; the product with a table of `rows` rows is [n × F, d].
    """
    tokens = torch.from_numpy(inputs.field_tokens).flatten(0, 1).long()  # [n × F, M]
    row, column = torch.nonzero(tokens, as_tuple=True)
    count = torch.bincount(row, minlength=len(tokens)).clamp(min=1)
    return _csr(torch.stack([row, tokens[row, column]]), 1.0 / count[row], (len(tokens), rows))


def transposed(matrix: Tensor) -> Tensor:
    """A sparse CSR matrix turned round, CSR as well."""
    # Not `.t()`, which makes one of columns, and those are slow to multiply with.
    row = torch.repeat_interleave(torch.arange(matrix.shape[0]), matrix.crow_indices().diff())
    place = torch.stack([matrix.col_indices(), row])
    shape = (matrix.shape[1], matrix.shape[0])
    return _csr(place, matrix.values(), shape)


def _csr(place: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # "in beta state"
        return torch.sparse_coo_tensor(place, values, shape, check_invariants=False).to_sparse_csr()


class _Product(torch.autograd.Function):
    """A sparse matrix times a table. Torch's own gradient would transpose the matrix at every step."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, table: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ table

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, ctx.transposed @ upstream[0].contiguous()

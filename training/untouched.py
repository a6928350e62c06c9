"""Items that nobody has touched, as rows beside those of a trained model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.bundle.item_features import item_inputs
from models.item_tower import ItemTower
from stream_app.domain.messages import Item

AT_A_TIME = 4096


def told_of(items: Sequence[Item], tower: ItemTower) -> list[Item]:
    """Those that have at least one of the tower's fields: of the others there is nothing to rank them by."""
    found: list[Item] = []
    for start in range(0, len(items), AT_A_TIME):
        some = items[start : start + AT_A_TIME]
        mask = item_inputs(some, tower.schema).field_mask
        has_any: list[bool] = (mask.sum(axis=1) > 0).tolist()
        found += [item for item, told in zip(some, has_any, strict=True) if told]
    return found


@torch.inference_mode()
def untouched_rows(items: Sequence[Item], tower: ItemTower) -> tuple[Tensor, Tensor]:
    """Vectors float32 [n, d] and biases float32 [n] of items by their fields alone."""
    tower.eval()
    vectors, biases = [torch.zeros(0, tower.width)], [torch.zeros(0)]
    for start in range(0, len(items), AT_A_TIME):
        inputs = item_inputs(items[start : start + AT_A_TIME], tower.schema)
        vector, bias, _ = tower(*map(torch.from_numpy, inputs.arrays()))
        vectors.append(vector)
        biases.append(bias)
    return torch.cat(vectors), torch.cat(biases)

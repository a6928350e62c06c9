"""A trained item tower → `item_tower.onnx`, and the items that it must answer alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.bundle.item_features import item_inputs
from models.bundle.signature import tower_signature
from models.bundle.tower_answers import TowerGolden, TowerOutputs
from models.item_tower import ItemTower
from stream_app.domain.messages import Item
from training.onnx_graph import write_onnx

_GOLDEN_ITEMS = 3


def write_tower(tower: ItemTower, path: Path) -> None:
    """Write the graph for any number of items at a time, weights within the file."""
    schema = tower.schema
    fields = len(schema.fields)
    signature = tower_signature(schema, width=tower.width)
    example = (
        torch.ones(3, fields, schema.tokens, dtype=torch.int32),
        torch.zeros(3, schema.number_width),
        torch.zeros(3, schema.embedding_width),
        torch.ones(3, fields, dtype=torch.bool),
    )
    items = torch.export.Dim("n")
    write_onnx(tower, path, signature=signature, example=example, dynamic=[{0: items}] * len(example))


def tower_golden(tower: ItemTower, items: Sequence[Item]) -> TowerGolden:
    """The first items, and one of which nothing is told."""
    inputs = item_inputs([*items[:_GOLDEN_ITEMS], Item(item_id="-")], tower.schema)
    with torch.inference_mode():
        vector, bias, weights = tower.eval()(*map(torch.from_numpy, inputs.arrays()))
    outputs: TowerOutputs = (vector.numpy(), bias.numpy(), weights.numpy().astype(np.float32))
    return TowerGolden.of(inputs, outputs)

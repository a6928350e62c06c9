"""A trained item tower → `item_tower.onnx`, and the items that it must answer alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch

from models.bundle.item_features import item_inputs
from models.bundle.signature import tower_signature
from models.bundle.tower_answers import TowerGolden, TowerOutputs
from models.item_tower import ItemTower
from stream_app.domain.messages import Item

_GOLDEN_ITEMS = 3


def write_tower(
    tower: ItemTower, path: Path, *, opset: int, silence: Callable[[], AbstractContextManager[None]]
) -> None:
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
    with silence():
        torch.onnx.export(
            tower.eval(),
            example,
            path,
            dynamo=True,
            opset_version=opset,
            input_names=[tensor.name for tensor in signature.inputs],
            output_names=[tensor.name for tensor in signature.outputs],
            dynamic_shapes=tuple({0: items} for _ in example),
            external_data=False,
            verbose=False,
        )


def tower_golden(tower: ItemTower, items: Sequence[Item]) -> TowerGolden:
    """The first items, and one of which nothing is told."""
    inputs = item_inputs([*items[:_GOLDEN_ITEMS], Item(item_id="-")], tower.schema)
    arrays = (inputs.field_tokens, inputs.numbers, inputs.embedding, inputs.field_mask)
    with torch.inference_mode():
        vector, bias, weights = tower.eval()(*map(torch.from_numpy, arrays))
    outputs: TowerOutputs = (vector.numpy(), bias.numpy(), weights.numpy().astype(np.float32))
    return TowerGolden.of(inputs, outputs)

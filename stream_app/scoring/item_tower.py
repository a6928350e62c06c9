"""`item_tower.onnx` on onnxruntime: rows for items that came after training, of what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.item_features import FeatureSchema, ItemInputs, item_inputs
from models.bundle.signature import check_signature, tower_signature
from models.bundle.tower_answers import TowerGolden, TowerOutputs, check_tower_golden
from stream_app.domain.messages import Item
from stream_app.scoring.onnx_session import open_session, signature_of

_INPUTS = ("field_tokens", "numbers", "embedding", "field_mask")
_AT_A_TIME = 256
"""The graph gathers each token's row: 256 items of ten fields of 48 tokens take 32 MB at width 64."""

_LARGEST = 1e2
"""Vectors are trained to lengths near 1. One that is endless in half precision spoils every user's scores."""


@dataclass(frozen=True, kw_only=True)
class TowerRows:
    """Rows for items: `vectors` float32 [n, d] and `bias` float32 [n], in the order of `item_ids`.

    `refused` are the items that get none, with the reason; `ignored` is what was told and not read, by
    reason, as an embedding of another length.
    """

    item_ids: Sequence[str]
    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]
    refused: tuple[tuple[str, str], ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_ids)


class ItemTower:
    """The tower's session. It runs on the CPU, beside the event loop, and any thread may call it."""

    def __init__(self, session: Any, schema: FeatureSchema, *, width: int) -> None:
        self.schema, self.width = schema, width
        self._session = session

    def rows(self, items: Sequence[Item]) -> TowerRows:
        """Rows for all items of which something usable is told; alike for alike items, whatever is beside."""
        vectors, biases = np.zeros((len(items), self.width), np.float32), np.zeros(len(items), np.float32)
        fault, ignored = np.full(len(items), "", dtype=object), Counter[str]()
        for start in range(0, len(items), _AT_A_TIME):
            here = slice(start, start + _AT_A_TIME)
            inputs = item_inputs(items[here], self.schema)
            ignored.update(inputs.ignored)
            vectors[here], biases[here], _ = self.run(inputs)
            fault[here][~inputs.field_mask.any(axis=1)] = self._nothing_told
        # False for what is not a number, too.
        sound = (np.abs(vectors) <= _LARGEST).all(axis=1) & (np.abs(biases) <= _LARGEST)
        fault[~sound & (fault == "")] = "the tower's answer is beyond all bounds"
        kept = np.flatnonzero(fault == "")
        return TowerRows(
            item_ids=[items[row].item_id for row in kept.tolist()],
            vectors=vectors[kept],
            bias=biases[kept],
            refused=tuple((items[row].item_id, fault[row]) for row in np.flatnonzero(fault != "").tolist()),
            ignored=dict(ignored),
        )

    def run(self, inputs: ItemInputs) -> TowerOutputs:
        """The graph's outputs: vector [n, d], bias [n], field_weights [n, F]."""
        vector, bias, weights = self._session.run(
            ["vector", "bias", "field_weights"],
            dict(zip(_INPUTS, inputs.arrays(), strict=True)),
        )
        return vector, bias, weights

    @property
    def _nothing_told(self) -> str:
        return f"nothing is told of it that the model reads ({', '.join(self.schema.fields)})"


def open_tower(path: Path, schema: FeatureSchema, golden: TowerGolden, *, width: int) -> ItemTower:
    """Open an `item_tower.onnx`, which must take and give what `schema` says, and answer `golden` alike.

    Raises CorruptBundle, SignatureMismatch or WrongAnswers.
    """
    session = open_session(path, "cpu")
    check_signature(tower_signature(schema, width=width), found=signature_of(session), path=str(path))
    tower = ItemTower(session, schema, width=width)
    check_tower_golden(golden, tower.run, path=str(path))
    return tower

"""A few items in the manifest, with what the exporter's own item tower made of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.errors import WrongAnswers
from models.bundle.item_features import ItemInputs
from models.bundle.signature import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE

TowerOutputs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""vector [n, d], bias [n], field_weights [n, F]"""


class TowerGolden(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs and outputs of `item_tower.onnx`; a loaded one must answer the same."""

    field_tokens: list[list[list[int]]]
    """int32 [n, F, M]"""
    numbers: list[list[float]]
    """float32 [n, P]"""
    embedding: list[list[float]]
    """float32 [n, A]"""
    field_mask: list[list[bool]]
    """bool [n, F]"""
    vector: list[list[float]]
    """float32 [n, d]"""
    bias: list[float]
    """float32 [n]"""
    field_weights: list[list[float]]
    """float32 [n, F]"""

    @classmethod
    def of(cls, inputs: ItemInputs, outputs: TowerOutputs) -> TowerGolden:
        """From the arrays."""
        vector, bias, field_weights = outputs
        return cls(
            field_tokens=inputs.field_tokens.tolist(),
            numbers=inputs.numbers.tolist(),
            embedding=inputs.embedding.tolist(),
            field_mask=inputs.field_mask.tolist(),
            vector=vector.tolist(),
            bias=bias.tolist(),
            field_weights=field_weights.tolist(),
        )

    def inputs(self) -> ItemInputs:
        """The inputs as arrays."""
        return ItemInputs(
            field_tokens=np.array(self.field_tokens, dtype=np.int32),
            numbers=np.array(self.numbers, dtype=np.float32),
            embedding=np.array(self.embedding, dtype=np.float32),
            field_mask=np.array(self.field_mask, dtype=np.bool_),
        )


def check_tower_golden(
    golden: TowerGolden, run: Callable[[ItemInputs], TowerOutputs], *, path: str = "item_tower.onnx"
) -> None:
    """Run the tower on the golden items. Raises WrongAnswers naming the first difference."""
    try:
        found = run(golden.inputs())
    except Exception as error:  # whatever it is, this tower cannot serve
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WrongAnswers(f"{path}: the golden items cannot be run ({reason}); export again") from error
    for name, there in zip(("vector", "bias", "field_weights"), found, strict=True):
        wanted = np.array(getattr(golden, name), dtype=np.float32)
        if wanted.shape != there.shape:
            raise WrongAnswers(
                f"{path}: {name} is {list(there.shape)} instead of {list(wanted.shape)}; export again"
            )
        close = np.isclose(there, wanted, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)
        if not close.all():
            at = tuple(np.argwhere(~close)[0].tolist())
            raise WrongAnswers(
                f"{path}: {name}{list(at)} is {there[at]:.6g} instead of {wanted[at]:.6g}; export again"
            )

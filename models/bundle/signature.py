"""What goes into `encoder.onnx` and `item_tower.onnx` and what comes out: names, types, shapes, constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.bundle.errors import SignatureMismatch
from models.bundle.item_features import FeatureSchema

EVENT_TYPES = ("padding", "view", "click", "cart", "purchase", "like", "dislike")
"""The code of an event type is its index here. `forget` is a control type and never stored."""

BLOCK = 256
"""Rows of a catalogue come in blocks of this many; the block top-k reduces over them."""

NO_CANDIDATE_SCORE = -1e8
"""A score at or below this says that there was no candidate left for the place."""

UNAVAILABLE_BIAS = -1e30
"""The bias of rows that must not be recommended: padding, empty, unavailable, filtered out."""

RELATIVE_TOLERANCE = 1e-3
ABSOLUTE_TOLERANCE = 1e-4
"""How far the answers of a loaded graph may lie from what the exporter's own run answered."""

Dimension = int | str | None
"""A fixed size, or a name (or nothing) where the size is dynamic."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or output of a graph. `dtype` is numpy's name for it ("int32", "float32", "float16")."""

    name: str
    dtype: str
    shape: tuple[Dimension, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The inputs and outputs of a graph, in the order in which they are passed."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def capacity(items: int) -> int:
    """Rows of a catalogue for so many items: the next multiple of `BLOCK` above 1.1 x items.

    The spare rows are for items that appear after training; row 0 is padding and always fits.
    """
    return ((11 * items // 10) // BLOCK + 1) * BLOCK


def encoder_signature(
    *,
    max_length: int,
    width: int,
    k_limit: int,
    catalogue_dtype: str = "float32",
    context_columns: int = 0,
) -> Signature:
    """The signature of `encoder.onnx`; dimensions given by name ("batch", "E", "V") must be dynamic.

    `context_columns` is C for a model that was trained with a context, else 0.
    """
    context = (Tensor(name="context", dtype="int32", shape=("batch", context_columns)),)
    return Signature(
        inputs=(
            Tensor(name="item_ids", dtype="int32", shape=("batch", max_length)),
            Tensor(name="event_types", dtype="int32", shape=("batch", max_length)),
            Tensor(name="time_deltas", dtype="float32", shape=("batch", max_length)),
            Tensor(name="exclude_ids", dtype="int32", shape=("batch", "E")),
            Tensor(name="item_vectors", dtype=catalogue_dtype, shape=("V", width)),
            Tensor(name="item_bias", dtype="float32", shape=("V",)),
            *(context if context_columns else ()),
        ),
        outputs=(
            Tensor(name="topk_ids", dtype="int32", shape=("batch", k_limit)),
            Tensor(name="topk_scores", dtype="float32", shape=("batch", k_limit)),
            Tensor(name="attention", dtype="float32", shape=("batch", max_length)),
        ),
    )


def tower_signature(schema: FeatureSchema, *, width: int) -> Signature:
    """The signature of `item_tower.onnx`; "n", the items at a time, must be dynamic."""
    fields = len(schema.fields)
    return Signature(
        inputs=(
            Tensor(name="field_tokens", dtype="int32", shape=("n", fields, schema.tokens)),
            Tensor(name="numbers", dtype="float32", shape=("n", schema.number_width)),
            Tensor(name="embedding", dtype="float32", shape=("n", schema.embedding_width)),
            Tensor(name="field_mask", dtype="bool", shape=("n", fields)),
        ),
        outputs=(
            Tensor(name="vector", dtype="float32", shape=("n", width)),
            Tensor(name="bias", dtype="float32", shape=("n",)),
            Tensor(name="field_weights", dtype="float32", shape=("n", fields)),
        ),
    )


def check_signature(expected: Signature, *, found: Signature, path: str = "encoder.onnx") -> None:
    """Compare a graph with what the worker will feed and read.

    Order does not matter, names do. A fixed size must be equal, and an input that has to be dynamic must
    not be fixed; where shape inference left an output's size open, the golden batch settles it.

    Raises SignatureMismatch naming the first tensor that differs.
    """
    for kind, wanted, there in (
        ("input", expected.inputs, found.inputs),
        ("output", expected.outputs, found.outputs),
    ):
        _check_names(kind, wanted, there, path)
        by_name = {tensor.name: tensor for tensor in there}
        for tensor in wanted:
            other = by_name[tensor.name]
            if tensor.dtype != other.dtype or not _shapes_agree(tensor.shape, other.shape, kind):
                raise SignatureMismatch(
                    f"{path}: {kind} {tensor.name}: expected {tensor}, found {other}; export the model again"
                )


def _check_names(kind: str, wanted: Sequence[Tensor], there: Sequence[Tensor], path: str) -> None:
    names, found = [t.name for t in wanted], [t.name for t in there]
    missing = [name for name in names if name not in found]
    unknown = [name for name in found if name not in names]
    if missing or unknown or len(found) != len(names):
        parts = [f"without {', '.join(missing)}"] if missing else []
        parts += [f"with unknown {', '.join(unknown)}"] if unknown else []
        raise SignatureMismatch(f"{path}: {kind}s {' and '.join(parts)}; export the model again")


def _shapes_agree(expected: tuple[Dimension, ...], found: tuple[Dimension, ...], kind: str) -> bool:
    if len(expected) != len(found):
        return False
    for wanted, there in zip(expected, found, strict=True):
        if isinstance(there, int) and there != wanted and (isinstance(wanted, int) or kind == "input"):
            return False
    return True

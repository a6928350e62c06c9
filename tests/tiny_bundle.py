"""A small, valid model bundle, made without torch: the newest events weigh most in a mean of item vectors.

`make_tiny_bundle(folder, item_ids)` writes one; `reference` is the same model in numpy, to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.bundle.items import read_items, write_items
from models.bundle.manifest import GoldenBatch, Manifest, write_manifest
from models.bundle.signature import (
    EVENT_TYPES,
    NO_CANDIDATE_SCORE,
    UNAVAILABLE_BIAS,
    Signature,
    capacity,
    encoder_signature,
)
from models.bundle.verification import ENCODER_FILE, describe_files
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked

DAY_SECONDS = 86_400.0
_ELEMENT = {"int32": TensorProto.INT32, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


def make_tiny_bundle(
    folder: Path,
    item_ids: Sequence[str],
    max_length: int = 20,
    width: int = 16,
    k_limit: int = 100,
    seed: int = 0,
    version: str | None = None,
    catalogue_dtype: str = "float32",
) -> Path:
    """Write a bundle with random vectors into `folder`; other seeds rank otherwise. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(len(item_ids), width)).astype(catalogue_dtype).astype(np.float32)
    bias = random.normal(scale=0.1, size=len(item_ids)).astype(np.float32)
    write_items(folder, item_ids=item_ids, vectors=vectors, bias=bias)
    signature = encoder_signature(
        max_length=max_length, width=width, k_limit=k_limit, catalogue_dtype=catalogue_dtype
    )
    onnx.save(_graph(signature, k_limit), folder / ENCODER_FILE)

    items = read_items(folder)
    inputs = random_inputs(random, batch=4, max_length=max_length, items=len(item_ids))
    ranked = reference(inputs, items.vectors, items.bias, k_limit)
    files, sizes = describe_files(folder)
    write_manifest(
        folder,
        Manifest(
            version=version or f"tiny-{seed}",
            created_at=1_700_000_000_000 + seed,
            files=files,
            sizes=sizes,
            max_length=max_length,
            width=width,
            k_limit=k_limit,
            item_count=len(item_ids),
            capacity=capacity(len(item_ids)),
            catalogue_dtype=catalogue_dtype,
            event_types=EVENT_TYPES,
            positive_types=("like",),
            golden=GoldenBatch(
                item_ids=inputs.item_ids.tolist(),
                event_types=inputs.event_types.tolist(),
                time_deltas=inputs.time_deltas.tolist(),
                exclude_ids=inputs.exclude_ids.tolist(),
                topk_ids=ranked.topk_ids.tolist(),
                topk_scores=ranked.topk_scores.tolist(),
                attention=ranked.attention.tolist(),
            ),
        ),
    )
    return folder


def random_inputs(random: np.random.Generator, *, batch: int, max_length: int, items: int) -> ModelInputs:
    """Left-padded histories of 0 to L events, each row's own items excluded; row 0 of the batch is empty."""
    counts = random.integers(0, max_length + 1, size=batch) if items else np.zeros(batch, dtype=np.int64)
    counts[:1] = 0
    real = np.arange(max_length) >= max_length - counts[:, None]
    item_ids = np.where(real, random.integers(1, max(items, 1) + 1, size=real.shape), 0).astype(np.int32)
    event_types = np.where(real, random.integers(1, len(EVENT_TYPES), size=real.shape), 0).astype(np.int32)
    time_deltas = np.where(real, random.uniform(0, 30 * DAY_SECONDS, size=real.shape), 0).astype(np.float32)
    exclude_ids = np.zeros((batch, -(-max_length // 32) * 32), dtype=np.int32)
    exclude_ids[:, :max_length] = item_ids
    return ModelInputs(item_ids, event_types, time_deltas, exclude_ids)


def reference(
    inputs: ModelInputs, vectors: NDArray[np.float32], bias: NDArray[np.float32], k_limit: int
) -> Ranked:
    """The model in numpy: `vectors` [V, d], `bias` [V]."""
    weight = (1 + 0.1 * inputs.event_types) / (1 + inputs.time_deltas / DAY_SECONDS) * (inputs.item_ids > 0)
    attention = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    query = np.einsum("bl,bld->bd", attention, vectors.astype(np.float32)[inputs.item_ids])
    scores = query @ vectors.astype(np.float32).T + bias
    np.put_along_axis(scores, inputs.exclude_ids, UNAVAILABLE_BIAS, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k_limit]
    best = np.take_along_axis(scores, order, axis=1)
    ids = np.where(best <= NO_CANDIDATE_SCORE, 0, order)
    return Ranked(ids.astype(np.int32), best.astype(np.float32), attention.astype(np.float32))


def _graph(signature: Signature, k_limit: int) -> onnx.ModelProto:
    constants = {
        "zero": np.array(0, np.int32),
        "one": np.array(1, np.float32),
        "tenth": np.array(0.1, np.float32),
        "day": np.array(DAY_SECONDS, np.float32),
        "least": np.array(1e-9, np.float32),
        "excluded_score": np.array([UNAVAILABLE_BIAS], np.float32),
        "no_candidate": np.array(NO_CANDIDATE_SCORE, np.float32),
        "last": np.array([1], np.int64),
        "k": np.array([k_limit], np.int64),
    }
    nodes = [
        ("Greater", ["item_ids", "zero"], ["real"], {}),
        ("Cast", ["real"], ["mask"], {"to": TensorProto.FLOAT}),
        ("Cast", ["event_types"], ["types"], {"to": TensorProto.FLOAT}),
        ("Mul", ["types", "tenth"], ["type_extra"], {}),
        ("Add", ["type_extra", "one"], ["type_weight"], {}),
        ("Div", ["time_deltas", "day"], ["days"], {}),
        ("Add", ["days", "one"], ["age"], {}),
        ("Div", ["type_weight", "age"], ["unmasked"], {}),
        ("Mul", ["unmasked", "mask"], ["weight"], {}),
        ("ReduceSum", ["weight", "last"], ["total"], {"keepdims": 1}),
        ("Max", ["total", "least"], ["divisor"], {}),
        ("Div", ["weight", "divisor"], ["attention"], {}),
        ("Cast", ["item_vectors"], ["vectors"], {"to": TensorProto.FLOAT}),
        ("Gather", ["vectors", "item_ids"], ["history"], {"axis": 0}),
        ("Unsqueeze", ["attention", "last"], ["row"], {}),
        ("MatMul", ["row", "history"], ["mean"], {}),
        ("Squeeze", ["mean", "last"], ["query"], {}),
        ("Gemm", ["query", "vectors", "item_bias"], ["all_scores"], {"transB": 1}),
        ("Shape", ["exclude_ids"], ["exclude_shape"], {}),
        ("Expand", ["excluded_score", "exclude_shape"], ["excluded"], {}),
        ("ScatterElements", ["all_scores", "exclude_ids", "excluded"], ["scores"], {"axis": 1}),
        ("TopK", ["scores", "k"], ["topk_scores", "best"], {"axis": 1}),
        ("Cast", ["best"], ["rows"], {"to": TensorProto.INT32}),
        ("LessOrEqual", ["topk_scores", "no_candidate"], ["none_left"], {}),
        ("Where", ["none_left", "zero", "rows"], ["topk_ids"], {}),
    ]
    inputs, outputs = (
        [
            helper.make_tensor_value_info(tensor.name, _ELEMENT[tensor.dtype], tensor.shape)
            for tensor in tensors
        ]
        for tensors in (signature.inputs, signature.outputs)
    )
    graph = helper.make_graph(
        [
            helper.make_node(operation, names, results, **options)
            for operation, names, results, options in nodes
        ],
        "tiny",
        inputs,
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model

"""An item tower for tiny bundles, made without torch: an item's given embedding is its vector, and the number
called "bias" its bias. So a test says where an item stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper

from models.bundle.item_features import EMBEDDING, NUMBERS, FeatureSchema, NumberScale, item_inputs
from models.bundle.manifest import read_manifest, write_manifest
from models.bundle.signature import tower_signature
from models.bundle.tower_answers import TowerGolden
from models.bundle.verification import TOWER_FILE, describe_files
from stream_app.domain.messages import Item
from tests.tiny_bundle import make_tiny_bundle

_ELEMENT = {"int32": TensorProto.INT32, "float32": TensorProto.FLOAT, "bool": TensorProto.BOOL}


def make_tiny_bundle_with_tower(
    folder: Path, item_ids: Sequence[str], *, seed: int = 0, catalogue_dtype: str = "float32"
) -> Path:
    """As `make_tiny_bundle`, with a tower. Returns the folder."""
    make_tiny_bundle(folder, item_ids, seed=seed, catalogue_dtype=catalogue_dtype)
    manifest = read_manifest(folder)
    width = manifest.width
    schema = FeatureSchema(
        fields=(NUMBERS, EMBEDDING),
        tokens=1,
        buckets=1024,
        numbers=(NumberScale(name="bias"),),
        embedding_length=width,
    )
    onnx.save(_graph(schema, width=width), folder / TOWER_FILE)
    inputs = item_inputs([an_item("golden", np.ones(width), bias=0.5), Item(item_id="-")], schema)
    outputs = (inputs.embedding, inputs.numbers[:, 0], inputs.field_mask.astype(np.float32))
    files, sizes = describe_files(folder)
    write_manifest(
        folder,
        msgspec.structs.replace(
            manifest,
            files=files,
            sizes=sizes,
            item_schema=schema,
            tower_golden=TowerGolden.of(inputs, outputs),
        ),
    )
    return folder


def an_item(item_id: str, vector: Sequence[float] | np.ndarray, *, bias: float = 0.0) -> Item:
    """The item whose row has this vector [d] and bias, within ±10."""
    return Item(
        item_id=item_id, embedding=tuple(float(value) for value in vector), features={"bias": float(bias)}
    )


def _graph(schema: FeatureSchema, *, width: int) -> onnx.ModelProto:
    signature = tower_signature(schema, width=width)
    inputs, outputs = (
        [
            helper.make_tensor_value_info(tensor.name, _ELEMENT[tensor.dtype], tensor.shape)
            for tensor in tensors
        ]
        for tensors in (signature.inputs, signature.outputs)
    )
    nodes = [
        helper.make_node("Identity", ["embedding"], ["vector"]),
        helper.make_node("Squeeze", ["numbers", "last"], ["bias"]),
        helper.make_node("Cast", ["field_mask"], ["field_weights"], to=TensorProto.FLOAT),
    ]
    last = onnx.numpy_helper.from_array(np.array([1], np.int64), "last")
    graph = helper.make_graph(nodes, "tiny_tower", inputs, outputs, [last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model

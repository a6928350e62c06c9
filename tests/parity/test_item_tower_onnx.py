"""The exported item tower answers as torch does, and a bundle that has one says how to feed it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import polars as pl
import pytest
import torch

from models.bundle.errors import CorruptBundle, SignatureMismatch, WrongAnswers
from models.bundle.item_features import ItemInputs, item_inputs
from models.bundle.items import read_items
from models.bundle.manifest import Manifest, write_manifest
from models.bundle.signature import Signature, Tensor, check_signature, tower_signature
from models.bundle.tower_answers import TowerOutputs, check_tower_golden
from models.bundle.verification import ITEMS_FILE, TOWER_FILE, verify
from stream_app.domain.messages import Item
from stream_app.scoring.snapshot import load_snapshot
from tests.unit.training.item_worlds import FIT, RULES, table, two_worlds
from training.export import export
from training.train import TrainedModel, train

_DTYPES = {"tensor(int32)": "int32", "tensor(float)": "float32", "tensor(bool)": "bool"}


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    items = {
        name: msgspec.structs.replace(
            item,
            title=f"{name} العنوان 標題 🎬",
            features={"year": 1900.0 + place, "studio": "A & B"},
            embedding=(float(place), 1.0, -1.0) if place % 2 else None,
        )
        for place, (name, item) in enumerate(table().items())
    }
    return train(two_worlds(), rules=RULES, config=replace(FIT, epochs=1), items=items)


@pytest.fixture(scope="module")
def bundle(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("bundle")
    return folder, export(trained, folder)


class Tower:
    """The exported graph on onnxruntime."""

    def __init__(self, folder: Path) -> None:
        self.session = ort.InferenceSession(folder / TOWER_FILE, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: ItemInputs) -> TowerOutputs:
        names = ("field_tokens", "numbers", "embedding", "field_mask")
        vector, bias, weights = self.session.run(
            ["vector", "bias", "field_weights"], {name: getattr(inputs, name) for name in names}
        )
        return vector, bias, weights

    @property
    def signature(self) -> Signature:
        inputs, outputs = (
            tuple(Tensor(name=n.name, dtype=_DTYPES[n.type], shape=tuple(n.shape)) for n in nodes)
            for nodes in (self.session.get_inputs(), self.session.get_outputs())
        )
        return Signature(inputs=inputs, outputs=outputs)


BAD = [
    Item(item_id="nothing"),
    Item(item_id="nan", features={"year": math.nan, "studio": ""}, embedding=(math.nan, 0.0, 0.0)),
    Item(item_id="huge", features={"year": 1e300}, embedding=(1e29, 0.0, 0.0)),
    Item(item_id="long", categories=tuple(f"c{n}" for n in range(10_000))),
    Item(item_id="scripts", title="قصة 西遊記 🎬🍿", domain="films"),
]


@pytest.mark.parametrize("count", [1, 2, 37])
def test_torch_and_onnx_agree_on_any_number_of_items(
    trained: TrainedModel, bundle: tuple[Path, Manifest], count: int
) -> None:
    assert trained.model.known is not None
    tower = trained.model.known.tower.eval()
    items = [*BAD, *trained.items, *trained.items][:count] if count > 2 else BAD[-count:]
    inputs = item_inputs(items, tower.schema)
    arrays = (inputs.field_tokens, inputs.numbers, inputs.embedding, inputs.field_mask)
    with torch.inference_mode():
        expected = [tensor.numpy() for tensor in tower(*map(torch.from_numpy, arrays))]
    found = Tower(bundle[0])(inputs)
    for name, wanted, there in zip(("vector", "bias", "weights"), expected, found, strict=True):
        assert there.dtype == np.float32 and np.isfinite(there).all()
        np.testing.assert_allclose(there, wanted, atol=1e-5, err_msg=name)


def test_the_bundle_says_how_the_tower_is_fed_and_what_it_answers(bundle: tuple[Path, Manifest]) -> None:
    folder, said = bundle
    manifest = verify(folder)
    assert manifest.item_schema == said.item_schema and manifest.item_schema is not None
    assert manifest.item_schema.fields == ("categories", "title", "features.studio", "numbers", "embedding")
    tower = Tower(folder)
    expected = tower_signature(manifest.item_schema, width=manifest.width)
    check_signature(expected, found=tower.signature, path=TOWER_FILE)
    with pytest.raises(SignatureMismatch, match=r"item_tower.onnx: output vector"):
        other = tower_signature(manifest.item_schema, width=manifest.width + 1)
        check_signature(other, found=tower.signature, path=TOWER_FILE)
    assert manifest.tower_golden is not None
    check_tower_golden(manifest.tower_golden, tower)
    assert not any(manifest.tower_golden.field_mask[-1])

    def with_another_bias(inputs: ItemInputs) -> TowerOutputs:
        vector, bias, weights = tower(inputs)
        return vector, bias + 0.1, weights

    with pytest.raises(WrongAnswers, match=r"bias\[0\] is"):
        check_tower_golden(manifest.tower_golden, with_another_bias)
    with pytest.raises(WrongAnswers, match="cannot be run"):
        check_tower_golden(manifest.tower_golden, lambda inputs: tower.session.run(None, {}))


def test_a_worker_serves_such_a_bundle(bundle: tuple[Path, Manifest]) -> None:
    assert load_snapshot(bundle[0], device="cpu").manifest.item_schema is not None


def test_the_table_has_finished_vectors_and_tells_what_they_are_made_of(
    trained: TrainedModel, bundle: tuple[Path, Manifest]
) -> None:
    finished = trained.model.item_table()[0].numpy()
    items = read_items(bundle[0])
    np.testing.assert_array_equal(items.vectors[1 : len(finished) + 1], finished)
    rows = pl.read_parquet(bundle[0] / ITEMS_FILE)
    weights = rows["field_weights"].to_numpy()
    assert weights.shape == (len(finished), 6)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-5)
    assert msgspec.json.decode(rows["features"][0], type=Item) == trained.items[0]


def test_a_tower_without_its_schema_is_refused(bundle: tuple[Path, Manifest], tmp_path: Path) -> None:
    for path in bundle[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_manifest(tmp_path, msgspec.structs.replace(bundle[1], item_schema=None))
    with pytest.raises(CorruptBundle, match=r"item_tower.onnx, item_schema and tower_golden belong together"):
        verify(tmp_path)

"""The item tower in a worker: what its session promises, and that a broken one never serves."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest

from models.bundle.errors import BundleError, CorruptBundle, SignatureMismatch, WrongAnswers
from models.bundle.manifest import MANIFEST_FILE
from models.bundle.verification import TOWER_FILE, describe_files
from stream_app.bench.new_items import some_items
from stream_app.domain.messages import Item
from stream_app.scoring.item_tower import ItemTower
from stream_app.scoring.snapshot import load_snapshot
from tests.tiny_bundle import random_inputs
from tests.unit.training.item_worlds import FIT, RULES, table, two_worlds
from training.export import export
from training.train import train
from training.untrained import export_untrained


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of items with a title, a category, a number and an embedding."""
    items = {
        name: msgspec.structs.replace(
            item, title=f"Film {place}", features={"year": 1900.0 + place}, embedding=(float(place), 1.0)
        )
        for place, (name, item) in enumerate(table().items())
    }
    folder = tmp_path_factory.mktemp("with-a-tower")
    export(train(two_worlds(), rules=RULES, config=replace(FIT, epochs=1), items=items), folder)
    return folder


@pytest.fixture(scope="module")
def tower(bundle: Path) -> ItemTower:
    found = load_snapshot(bundle, device="cpu").tower
    assert found is not None
    return found


SOUND = [
    Item(item_id="category", categories=("Horror",)),
    Item(item_id="title", title="Film 3"),
    Item(item_id="number", features={"year": 1910}),
    Item(item_id="embedding", embedding=(1.0, -1.0)),
    Item(item_id="long", categories=tuple(f"c{n}" for n in range(10_000))),
    Item(item_id="scripts", title="قصة 西遊記 🎬🍿 \u0000"),
    Item(item_id="far", features={"year": 1e29}, embedding=(1e29, 0.0)),
    Item(item_id="half", title="Film", features={"year": math.nan}, embedding=(math.inf, 0.0)),
]
USELESS = [
    Item(item_id="nothing"),
    Item(item_id="nan", features={"year": math.nan}),
    Item(item_id="infinite", features={"year": math.inf}, embedding=(math.nan, 0.0)),
    Item(item_id="of another length", embedding=(1.0, 2.0, 3.0)),
    Item(item_id="unread", domain="films", features={"colour": "red"}),
]


def test_items_of_which_something_usable_is_told_get_finite_rows_and_others_none(tower: ItemTower) -> None:
    rows = tower.rows([*USELESS, *SOUND])
    assert list(rows.item_ids) == [item.item_id for item in SOUND]
    assert rows.vectors.shape == (len(SOUND), tower.width) and rows.vectors.dtype == np.float32
    assert np.isfinite(rows.vectors).all() and np.isfinite(rows.bias).all()
    assert [item_id for item_id, _ in rows.refused] == [item.item_id for item in USELESS]
    assert {reason for _, reason in rows.refused} == {
        "nothing is told of it that the model reads (categories, title, numbers, embedding)"
    }


def test_a_row_is_the_same_whatever_else_is_asked_for(tower: ItemTower) -> None:
    many = [*SOUND, *(Item(item_id=f"x{n}", title=f"Film {n}") for n in range(600)), *SOUND]
    rows = tower.rows(many)
    assert len(rows) == len(many)
    for place, item in ((0, SOUND[0]), (7, SOUND[7]), (300, many[300]), (len(many) - 1, SOUND[7])):
        alone = tower.rows([item])
        np.testing.assert_allclose(rows.vectors[place], alone.vectors[0], atol=1e-5)
        np.testing.assert_allclose(rows.bias[place], alone.bias[0], atol=1e-5)


def test_no_items_are_no_rows(tower: ItemTower) -> None:
    assert len(tower.rows([])) == 0


def test_a_graph_that_ranks_in_blocks_goes_on_when_its_catalogue_has_grown(tmp_path: Path) -> None:
    # Which top-k a graph has is settled by its rows at the export: with K = 2 blocks from 1,024 on.
    k, trained, later = 2, 1_200, 900
    export_untrained(
        tmp_path, items=trained, max_length=10, width=16, k_limit=k, told=some_items(trained, name="trained")
    )
    snapshot = load_snapshot(tmp_path, device="cpu")
    rows = snapshot.catalogue.rows
    given = snapshot.add_items(some_items(later, name="later", seed=1))
    assert given is not None and given.refused == ()
    assert snapshot.catalogue.rows > rows
    random = np.random.default_rng(3)
    inputs = random_inputs(random, batch=8, max_length=10, items=trained)
    for best in random.choice(np.arange(1, trained + later + 1), size=20, replace=False).tolist():
        snapshot.catalogue.bias[best] += 50
        found = snapshot.scorer.score(inputs).topk_ids
        excluded = (inputs.exclude_ids == best).any(axis=1)
        assert ((found[:, 0] == best) | excluded).all()
        snapshot.catalogue.bias[best] -= 50


Spoil = Callable[[Path, dict[str, Any]], None]


def _junk(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / TOWER_FILE).write_bytes(b"signed, but no graph")


def _renamed_output(folder: Path, manifest: dict[str, Any]) -> None:
    model = onnx.load(folder / TOWER_FILE)
    for node in model.graph.node:
        node.output[:] = ["popularity" if name == "bias" else name for name in node.output]
    model.graph.output[1].name = "popularity"
    onnx.save(model, folder / TOWER_FILE)


def _of_another_width(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["item_schema"]["tokens"] += 1


def _another_answer(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["tower_golden"]["vector"][0][0] += 0.1


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (_junk, CorruptBundle, "onnxruntime cannot open it"),
        (_renamed_output, SignatureMismatch, "without bias and with unknown popularity"),
        (_of_another_width, SignatureMismatch, "input field_tokens: expected"),
        (_another_answer, WrongAnswers, r"vector\[0, 0\] is .* instead of"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_bundle_whose_tower_is_broken_never_serves(
    bundle: Path, tmp_path: Path, spoil: Spoil, error: type[BundleError], words: str
) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    spoil(folder, manifest)
    manifest["files"], manifest["sizes"] = describe_files(folder)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(error, match=words) as caught:
        load_snapshot(folder, device="cpu")
    assert TOWER_FILE in str(caught.value)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.bundle.errors import BundleError, CorruptBundle, SignatureMismatch, WrongAnswers
from models.bundle.hashing import item_hash
from models.bundle.items import write_items
from models.bundle.manifest import MANIFEST_FILE
from models.bundle.verification import ENCODER_FILE, describe_files
from stream_app.scoring.snapshot import load_snapshot
from tests.tiny_bundle import make_tiny_bundle, random_inputs

ITEMS = [f"item-{i}" for i in range(300)]


def edit(folder: Path, change: Callable[[dict[str, Any]], None], *, sign: bool = True) -> None:
    """Change the manifest, and let it list the files as they are now: only later checks can notice."""
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    change(manifest)
    if sign:
        manifest["files"], manifest["sizes"] = describe_files(folder)
    path.write_text(json.dumps(manifest))


def test_a_sound_bundle_is_loaded_as_one_thing(tmp_path: Path) -> None:
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ITEMS, version="v7"), device="cpu", role="challenger")
    assert (snapshot.version, snapshot.role, snapshot.scorer.version) == ("v7", "challenger", "v7")
    assert len(snapshot.vocabulary) == snapshot.manifest.item_count == 300
    assert snapshot.catalogue.rows == snapshot.manifest.capacity == 512


def test_a_snapshot_cannot_be_changed(tmp_path: Path) -> None:
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ITEMS), device="cpu")
    with pytest.raises(AttributeError):
        snapshot.role = "retired"  # type: ignore[misc]


def test_a_half_precision_catalogue_is_loaded_as_such(tmp_path: Path) -> None:
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ITEMS, catalogue_dtype="float16"), device="cpu")
    assert snapshot.catalogue.vectors.dtype == np.float16


def test_a_catalogue_smaller_than_k_is_loaded(tmp_path: Path) -> None:
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ["a", "b", "c"]), device="cpu")
    inputs = random_inputs(np.random.default_rng(0), batch=1, max_length=20, items=3)
    assert sorted(snapshot.scorer.score(inputs).topk_ids[0].tolist())[-4:] == [0, 1, 2, 3]


def test_items_that_are_unavailable_are_so_from_the_first_batch_on(tmp_path: Path) -> None:
    out = [item_hash("item-3"), item_hash("unknown to this version")]
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ITEMS), device="cpu", unavailable_hashes=out)
    assert [row for row in range(1, 301) if not snapshot.catalogue.is_available(row)] == [4]


def test_availability_is_set_by_hash(tmp_path: Path) -> None:
    snapshot = load_snapshot(make_tiny_bundle(tmp_path, ITEMS), device="cpu")
    snapshot.set_available([item_hash("item-0"), item_hash("unknown")], available=False)
    assert not snapshot.catalogue.is_available(1)
    snapshot.set_available([item_hash("item-0")], available=True)
    assert snapshot.catalogue.is_available(1)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path, ITEMS) / ENCODER_FILE
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptBundle, match="altered"):
        load_snapshot(tmp_path, device="cpu")


def test_a_truncated_graph_is_refused(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path, ITEMS) / ENCODER_FILE
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CorruptBundle, match="truncated"):
        load_snapshot(tmp_path, device="cpu")


def test_a_graph_that_cannot_be_opened_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (make_tiny_bundle(tmp_path, ITEMS) / ENCODER_FILE).write_bytes(b"signed, but no graph")
    edit(tmp_path, lambda manifest: None)
    with pytest.raises(CorruptBundle, match=r"onnxruntime cannot open it .*; export the model again"):
        load_snapshot(tmp_path, device="cpu")


def test_a_graph_of_another_signature_is_refused(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "a", ITEMS, max_length=20)
    make_tiny_bundle(tmp_path / "b", ITEMS, max_length=30)
    (tmp_path / "b" / ENCODER_FILE).replace(tmp_path / "a" / ENCODER_FILE)
    edit(tmp_path / "a", lambda manifest: None)
    with pytest.raises(
        SignatureMismatch, match=r"item_ids: expected int32\[batch, 20\], found .*\[batch, 30\]"
    ):
        load_snapshot(tmp_path / "a", device="cpu")


def test_a_graph_that_lacks_an_input_is_refused(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path, ITEMS) / ENCODER_FILE
    model = onnx.load(path)
    for value in model.graph.input:
        if value.name == "time_deltas":
            value.name = "ages"
    for node in model.graph.node:
        node.input[:] = ["ages" if name == "time_deltas" else name for name in node.input]
    onnx.save(model, path)
    edit(tmp_path, lambda manifest: None)
    with pytest.raises(SignatureMismatch, match="without time_deltas and with unknown ages"):
        load_snapshot(tmp_path, device="cpu")


def test_other_event_codes_are_refused(tmp_path: Path) -> None:
    edit(
        make_tiny_bundle(tmp_path, ITEMS), lambda manifest: manifest.update(event_types=["padding", "click"])
    )
    with pytest.raises(SignatureMismatch, match="event types"):
        load_snapshot(tmp_path, device="cpu")


def test_a_table_of_other_size_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path, ITEMS)
    write_items(
        tmp_path, item_ids=ITEMS[:-1], vectors=np.zeros((299, 16), np.float32), bias=np.zeros(299, np.float32)
    )
    edit(tmp_path, lambda manifest: None)
    with pytest.raises(CorruptBundle, match="says 300 items"):
        load_snapshot(tmp_path, device="cpu")


def test_other_vectors_than_the_exporters_are_noticed_by_the_golden_batch(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path, ITEMS)
    random = np.random.default_rng(9)
    vectors, bias = random.normal(size=(300, 16)).astype(np.float32), np.zeros(300, np.float32)
    write_items(tmp_path, item_ids=ITEMS, vectors=vectors, bias=bias)
    edit(tmp_path, lambda manifest: None)
    with pytest.raises(WrongAnswers, match=r"topk_scores\[.*\] is .* instead of"):
        load_snapshot(tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["topk_ids", "topk_scores", "attention"])
def test_a_golden_answer_that_differs_is_named(tmp_path: Path, name: str) -> None:
    def spoil(manifest: dict[str, Any]) -> None:
        first = manifest["golden"][name][1]
        first[0] += 5 if name == "topk_ids" else 0.1

    edit(make_tiny_bundle(tmp_path, ITEMS), spoil)
    with pytest.raises(WrongAnswers, match=rf"{name}\[1, \d+\] is .* instead of .*; export the model again"):
        load_snapshot(tmp_path, device="cpu")


def test_a_golden_batch_that_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    def spoil(manifest: dict[str, Any]) -> None:
        manifest["golden"]["item_ids"][0][-1] = 10_000

    edit(make_tiny_bundle(tmp_path, ITEMS), spoil)
    with pytest.raises(WrongAnswers, match=r"cannot be scored .*10000"):
        load_snapshot(tmp_path, device="cpu")


def test_every_refusal_is_a_bundle_error() -> None:
    assert all(issubclass(error, BundleError) for error in (CorruptBundle, SignatureMismatch, WrongAnswers))

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bundle.errors import CorruptBundle
from models.bundle.manifest import MANIFEST_FILE
from models.bundle.verification import ENCODER_FILE, ITEMS_FILE, bundle_digest, verify
from tests.unit.models.bundle.staged import stage


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_whole_bundle_passes(tmp_path: Path) -> None:
    assert verify(stage(tmp_path)).version == "v1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(name=st.sampled_from([ENCODER_FILE, ITEMS_FILE]), place=st.integers(0, 2**16), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(tmp_path: Path, name: str, place: int, bit: int) -> None:
    path = stage(tmp_path) / name
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    with pytest.raises(
        CorruptBundle, match=rf"{name}: altered, sha256 [0-9a-f]{{64}} instead of [0-9a-f]{{64}}"
    ):
        verify(tmp_path)


def test_a_truncated_file_is_named_with_its_sizes(tmp_path: Path) -> None:
    path = stage(tmp_path) / ENCODER_FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptBundle, match=r"encoder\.onnx: truncated, 100 bytes instead of 2048; publish"):
        verify(tmp_path)


def test_a_truncated_file_is_noticed_without_sizes_too(tmp_path: Path) -> None:
    path = stage(tmp_path) / ENCODER_FILE
    path.write_bytes(path.read_bytes()[:100])
    edit_manifest(tmp_path, lambda manifest: manifest.pop("sizes"))
    with pytest.raises(CorruptBundle, match=r"encoder\.onnx: altered"):
        verify(tmp_path)


def test_a_longer_file_is_noticed(tmp_path: Path) -> None:
    with (stage(tmp_path) / ITEMS_FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CorruptBundle, match=r"items\.parquet: too long"):
        verify(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (stage(tmp_path) / ITEMS_FILE).unlink()
    with pytest.raises(CorruptBundle, match=r"items\.parquet: missing; publish version v1 again"):
        verify(tmp_path)


def test_a_manifest_without_an_encoder_is_refused(tmp_path: Path) -> None:
    edit_manifest(stage(tmp_path), lambda manifest: manifest["files"].pop(ENCODER_FILE))
    with pytest.raises(CorruptBundle, match=r"lists no encoder\.onnx"):
        verify(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ""])
def test_a_manifest_cannot_point_out_of_its_folder(tmp_path: Path, name: str) -> None:
    edit_manifest(stage(tmp_path), lambda manifest: manifest["files"].update({name: "00"}))
    with pytest.raises(CorruptBundle, match="not a plain file name"):
        verify(tmp_path)


def test_the_digest_of_a_bundle_is_its_manifests(tmp_path: Path) -> None:
    stage(tmp_path)
    before = bundle_digest(tmp_path)
    assert before == hashlib.sha256((tmp_path / MANIFEST_FILE).read_bytes()).hexdigest()
    edit_manifest(tmp_path, lambda manifest: manifest.update(created_at=1))
    assert bundle_digest(tmp_path) != before

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.bundle.errors import CorruptBundle
from models.bundle.manifest import MANIFEST_FILE, TrainingWindow, read_manifest, write_manifest
from tests.unit.models.bundle.staged import stage


def test_what_was_written_is_read(tmp_path: Path) -> None:
    manifest = read_manifest(stage(tmp_path / "a"))
    assert manifest.training_window == TrainingWindow()
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [MANIFEST_FILE]


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptBundle, match=r"manifest\.json: not readable \(No such file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"version": "v1"}', b'{"format": "one"}'])
def test_what_is_not_a_manifest_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(raw)
    with pytest.raises(CorruptBundle, match="not a manifest"):
        read_manifest(tmp_path)


def test_an_unknown_format_is_refused_as_such_whatever_its_fields(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({"format": 2, "all": "new"}))
    with pytest.raises(CorruptBundle, match="format 2, this worker reads 1; upgrade the worker"):
        read_manifest(tmp_path)


def test_fields_of_a_later_writer_are_ignored(tmp_path: Path) -> None:
    path = stage(tmp_path) / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"later": 1}))
    assert read_manifest(tmp_path).version == "v1"


def test_a_manifest_from_before_the_learning_curve_is_read(tmp_path: Path) -> None:
    path = stage(tmp_path) / MANIFEST_FILE
    fields = json.loads(path.read_bytes())
    assert fields.pop("learning_curve") == {}
    path.write_text(json.dumps(fields))
    assert read_manifest(tmp_path).learning_curve == {}

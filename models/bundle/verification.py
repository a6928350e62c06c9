"""Whether a bundle's files are the ones that were written.

Neither the ONNX checker nor onnxruntime notices a flipped bit in a weight, so nothing is loaded before its
digest was compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from models.bundle.errors import CorruptBundle
from models.bundle.manifest import MANIFEST_FILE, Manifest, read_manifest

ENCODER_FILE = "encoder.onnx"
ITEMS_FILE = "items.parquet"
TOWER_FILE = "item_tower.onnx"
"""Only where the manifest has an `item_schema`."""
REQUIRED_FILES = (ENCODER_FILE, ITEMS_FILE)


def file_digest(path: Path) -> str:
    """sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Digests and sizes of all files of a folder but the manifest: its `files` and `sizes`."""
    paths = [path for path in sorted(Path(folder).iterdir()) if path.is_file() and path.name != MANIFEST_FILE]
    digests = {path.name: file_digest(path) for path in paths}
    return digests, {path.name: path.stat().st_size for path in paths}


def bundle_digest(folder: Path) -> str:
    """sha256 of the manifest, which lists the sha256 of everything else: the `sha256` of an announcement."""
    return file_digest(Path(folder) / MANIFEST_FILE)


def verify(folder: Path) -> Manifest:
    """Read the manifest and compare every file with it.

    Raises CorruptBundle naming the first file that is missing, truncated or altered.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    _check_names(folder, manifest.files)
    _check_tower(folder, manifest)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CorruptBundle(f"{path}: missing; publish version {manifest.version} again")
        size, wanted = path.stat().st_size, manifest.sizes.get(name)
        if wanted is not None and size != wanted:
            fault = "truncated" if size < wanted else "too long"
            raise CorruptBundle(
                f"{path}: {fault}, {size} bytes instead of {wanted}; publish version {manifest.version} again"
            )
        found = file_digest(path)
        if found != expected:
            raise CorruptBundle(
                f"{path}: altered, sha256 {found} instead of {expected}; "
                f"publish version {manifest.version} again"
            )
    return manifest


def _check_tower(folder: Path, manifest: Manifest) -> None:
    parts = (
        TOWER_FILE in manifest.files,
        manifest.item_schema is not None,
        manifest.tower_golden is not None,
    )
    if any(parts) and not all(parts):
        raise CorruptBundle(
            f"{folder}: {TOWER_FILE}, item_schema and tower_golden belong together, and not all are there; "
            "export the model again"
        )


def _check_names(folder: Path, names: Iterable[str]) -> None:
    names = tuple(names)
    for required in REQUIRED_FILES:
        if required not in names:
            raise CorruptBundle(f"{folder}: the manifest lists no {required}; export the model again")
    for name in names:
        # A manifest comes from elsewhere: it must not make the worker read outside its own folder.
        if not name or name in (".", "..") or "/" in name or "\\" in name:
            raise CorruptBundle(f"{folder}: {name!r} is not a plain file name; export the model again")

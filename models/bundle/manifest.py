"""`manifest.json`: what a version is, where it comes from, and what its files must be."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from models.bundle.context import context_columns
from models.bundle.errors import CorruptBundle
from models.bundle.item_features import FeatureSchema
from models.bundle.tower_answers import TowerGolden

MANIFEST_FILE = "manifest.json"
FORMAT = 1
"""The format that this code writes, and the only one that it reads."""

Ints = list[list[int]]
Floats = list[list[float]]


class GoldenBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A few inputs and what the exporter's own run answered: a loaded model must answer the same."""

    item_ids: Ints
    """int32 [batch, L]"""
    event_types: Ints
    """int32 [batch, L]"""
    time_deltas: Floats
    """float32 [batch, L], seconds"""
    exclude_ids: Ints
    """int32 [batch, E]"""
    topk_ids: Ints
    """int32 [batch, K]"""
    topk_scores: Floats
    """float32 [batch, K]"""
    attention: Floats
    """float32 [batch, L]"""
    context: Ints | None = None
    """int32 [batch, C], where it was trained with one"""


class TrainingWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the log that the version has seen."""

    offsets: dict[str, int] = {}
    """Offset after the last event read, by "topic/partition"; empty where the log was a file."""
    first_timestamp: int | None = None
    """ms since the epoch"""
    last_timestamp: int | None = None
    """ms since the epoch"""
    interactions: int = 0
    users: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one version of a model."""

    version: str
    created_at: int
    """ms since the epoch"""
    files: dict[str, str]
    """sha256 in hexadecimal, by file name"""
    max_length: int
    """L: the events of a history that the encoder reads"""
    width: int
    """d: the length of an item's vector"""
    k_limit: int
    """K: the length of the graph's answer"""
    item_count: int
    capacity: int
    """V: rows of the catalogue"""
    golden: GoldenBatch
    event_types: tuple[str, ...]
    """The names of the type codes, in the order of the codes"""
    positive_types: tuple[str, ...]
    """The types that were targets"""
    catalogue_dtype: str = "float32"
    context_fields: tuple[str, ...] | None = None
    """The fields of an event's context that it reads, after the hour and the weekday; None for no context"""
    item_schema: FeatureSchema | None = None
    """The fields that `item_tower.onnx` reads; None: there is none, and later items get no row"""
    tower_golden: TowerGolden | None = None
    """With `item_schema`"""
    parent: str | None = None
    """The version that it was trained from or compared with"""
    sizes: dict[str, int] = {}
    """Bytes, by file name"""
    training_window: TrainingWindow = TrainingWindow()
    metrics: dict[str, float] = {}
    protocol: str | None = None
    """How the metrics were taken"""
    learning_curve: dict[str, list[float]] = {}
    """A figure an epoch, by name: "loss", and with a validation "ndcg@10" and "hr@10" on what was held out"""
    packages: dict[str, str] = {}
    """Versions of the packages that made it"""
    git_commit: str | None = None
    format: int = FORMAT

    @property
    def context_columns(self) -> int:
        """C, 0 without a context."""
        return context_columns(self.context_fields)


class _Format(msgspec.Struct):
    format: int = FORMAT


def read_manifest(folder: Path) -> Manifest:
    """Raises CorruptBundle where it is missing, unreadable or of a format that this code does not know."""
    path = Path(folder) / MANIFEST_FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CorruptBundle(f"{path}: not readable ({error.strerror}); publish the version again") from error
    try:
        found = msgspec.json.decode(raw, type=_Format).format
        if found != FORMAT:
            raise CorruptBundle(f"{path}: format {found}, this worker reads {FORMAT}; upgrade the worker")
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptBundle(f"{path}: not a manifest ({error}); publish the version again") from error


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write it last: where it is, all that it lists is there too."""
    path = Path(folder) / MANIFEST_FILE
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    return partial.replace(path)

"""A trained model → a bundle: the ONNX graph, the catalogue, and the manifest that vouches for both."""

from __future__ import annotations

import importlib.metadata
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle.context import BUCKETS, moment_codes
from models.bundle.items import ToldItems, write_items
from models.bundle.manifest import GoldenBatch, Manifest, write_manifest
from models.bundle.registry import new_version
from models.bundle.signature import BLOCK, EVENT_TYPES, capacity, encoder_signature
from models.bundle.verification import ENCODER_FILE, TOWER_FILE, describe_files
from models.sequence_model import SequenceModel
from models.served_encoder import ServedEncoder
from models.top_k import smallest_block_capacity
from stream_app.domain.encoding import EXCLUDE_STEP, ModelInputs
from stream_app.domain.messages import encode
from training.export_tower import tower_golden, write_tower
from training.fit_config import FitReport
from training.onnx_graph import write_onnx
from training.torch_scorer import K_LIMIT, TorchScorer
from training.train import TrainedModel

_PACKAGES = ("torch", "lightning", "onnx", "onnxscript", "numpy")


def export(
    trained: TrainedModel,
    folder: Path,
    *,
    version: str | None = None,
    parent: str | None = None,
    metrics: Mapping[str, float] | None = None,
    protocol: str | None = None,
    k_limit: int = K_LIMIT,
) -> Manifest:
    """Write a bundle to `folder`, made if need be, and return its manifest.

    `metrics` are those of `protocol`; `parent` is the version that it was compared with. Catalogues of 2 × K
    blocks (51,200 rows for K = 100) and more get the block top-k, smaller ones one TopK over the row; a
    running worker's catalogue only grows, so that the choice holds. Raises ValueError for a model that must
    be told when its target comes, OSError where the folder cannot be written.
    """
    if trained.model.encoder.config.query_time == "target":
        raise ValueError(
            "the model must be told when its target comes; no worker can, it is for evaluation alone"
        )
    folder.mkdir(parents=True, exist_ok=True)
    model, items = trained.model.eval(), len(trained.vocabulary)
    rows = capacity(items)
    write_graph(model, folder / ENCODER_FILE, rows=rows, k_limit=k_limit)
    vectors, bias = (table.numpy() for table in model.item_table())
    told, tower = None, None if model.known is None else model.known.tower
    if model.known is not None:
        weights = model.known.finished(model.vectors)[1].numpy()
        told = ToldItems(field_weights=weights, features=[encode(item).decode() for item in trained.items])
        write_tower(model.known.tower, folder / TOWER_FILE)
    write_items(folder, item_ids=trained.vocabulary.item_ids, vectors=vectors, bias=bias, told=told)
    files, sizes = describe_files(folder)
    now_ms = time.time_ns() // 1_000_000
    manifest = Manifest(
        version=version or new_version(now_ms),
        created_at=now_ms,
        files=files,
        sizes=sizes,
        max_length=trained.rules.max_length,
        width=vectors.shape[1],
        k_limit=k_limit,
        item_count=items,
        capacity=rows,
        golden=_golden(model, items=items, max_length=trained.rules.max_length, k_limit=k_limit),
        item_schema=None if tower is None else tower.schema,
        tower_golden=None if tower is None else tower_golden(tower, trained.items),
        event_types=EVENT_TYPES,
        positive_types=trained.rules.positive_types,
        context_fields=model.encoder.config.context,
        parent=parent,
        training_window=trained.window,
        metrics=dict(metrics or {}),
        protocol=protocol,
        learning_curve=_learning_curve(trained.report),
        packages={name: importlib.metadata.version(name) for name in _PACKAGES},
        git_commit=_git_commit(),
    )
    write_manifest(folder, manifest)
    return manifest


def write_graph(model: SequenceModel, path: Path, *, rows: int, k_limit: int) -> None:
    """Write `encoder.onnx` for catalogues of `rows` and more, weights within the file."""
    in_blocks = rows >= smallest_block_capacity(k_limit)
    served = ServedEncoder(model.encoder, k_limit=k_limit, in_blocks=in_blocks).eval()
    length, width = model.encoder.config.max_length, model.vectors.shape[1]
    columns = model.encoder.config.context_columns
    signature = encoder_signature(max_length=length, width=width, k_limit=k_limit, context_columns=columns)
    batch, exclusions = torch.export.Dim("batch"), torch.export.Dim("E")
    # The example's V is all that must fit: a large catalogue is not copied for it.
    example_rows = smallest_block_capacity(k_limit) if in_blocks else 2 * BLOCK
    capacity_rows = (
        BLOCK * torch.export.Dim("blocks", min=k_limit) if in_blocks else torch.export.Dim("V", min=BLOCK)
    )
    example = (
        torch.ones(3, length, dtype=torch.int32),
        torch.ones(3, length, dtype=torch.int32),
        torch.ones(3, length),
        torch.ones(3, EXCLUDE_STEP, dtype=torch.int32),
        torch.zeros(example_rows, width),
        torch.zeros(example_rows),
        *([torch.ones(3, columns, dtype=torch.int32)] if columns else []),
    )
    shapes = (
        {0: batch},
        {0: batch},
        {0: batch},
        {0: batch, 1: exclusions},
        {0: capacity_rows},
        {0: capacity_rows},
        *([{0: batch}] if columns else []),
    )
    write_onnx(served, path, signature=signature, example=example, dynamic=shapes)


def _learning_curve(report: FitReport) -> dict[str, list[float]]:
    curves = {"loss": report.losses, "ndcg@10": report.ndcg, "hr@10": report.hit_rate}
    return {name: list(figures) for name, figures in curves.items() if figures}


def _golden(model: SequenceModel, *, items: int, max_length: int, k_limit: int) -> GoldenBatch:
    """An empty history, one event, half a window and a whole one: what a loaded graph must answer alike."""
    random = np.random.default_rng(0)
    counts = np.array([0, 1, max_length // 2, max_length])
    real = np.arange(max_length) >= max_length - counts[:, None]  # [4, L], left-padded
    ages = np.sort(random.uniform(0, 30 * 86_400, real.shape), axis=1)[:, ::-1]
    item_ids = np.where(real, random.integers(1, items + 1, real.shape), 0).astype(np.int32)
    exclude_ids = np.zeros((len(counts), -(-max_length // EXCLUDE_STEP) * EXCLUDE_STEP), dtype=np.int32)
    exclude_ids[:, :max_length] = item_ids
    inputs = ModelInputs(
        item_ids,
        np.where(real, random.integers(1, len(EVENT_TYPES), real.shape), 0).astype(np.int32),
        np.where(real, ages, 0).astype(np.float32),
        exclude_ids,
        _golden_context(random, model, len(counts)),
    )
    ranked = TorchScorer(model, k_limit=k_limit).score(inputs)
    return GoldenBatch(
        item_ids=inputs.item_ids.tolist(),
        event_types=inputs.event_types.tolist(),
        time_deltas=inputs.time_deltas.tolist(),
        exclude_ids=inputs.exclude_ids.tolist(),
        context=None if inputs.context is None else inputs.context.tolist(),
        topk_ids=ranked.topk_ids.tolist(),
        topk_scores=ranked.topk_scores.tolist(),
        attention=ranked.attention.tolist(),
    )


def _golden_context(
    random: np.random.Generator, model: SequenceModel, batch: int
) -> NDArray[np.int32] | None:
    fields = model.encoder.config.context
    if fields is None:
        return None
    moments = moment_codes(random.integers(0, 1 << 41, batch))
    own = random.integers(0, BUCKETS + 1, (batch, len(fields)))
    return np.concatenate([moments, own], axis=1).astype(np.int32)


def _git_commit() -> str | None:
    """The commit of this code, where it is worked on in its own repository."""
    here = Path(__file__)
    try:
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name],
            cwd=here.parent,
            check=True,
            capture_output=True,
            timeout=10,
        )
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=here.parent,
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None

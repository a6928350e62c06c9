"""A bundle whose files are whole, though its encoder is only bytes: enough for all that does not run it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle.items import write_items
from models.bundle.manifest import GoldenBatch, Manifest, write_manifest
from models.bundle.signature import EVENT_TYPES, capacity
from models.bundle.verification import ENCODER_FILE, describe_files

GOLDEN = GoldenBatch(
    item_ids=[[0, 1]],
    event_types=[[0, 1]],
    time_deltas=[[0.0, 1.5]],
    exclude_ids=[[1]],
    topk_ids=[[2, 0]],
    topk_scores=[[0.5, -1e30]],
    attention=[[0.0, 1.0]],
)


def stage(folder: Path, *, version: str = "v1", items: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENCODER_FILE).write_bytes(bytes(range(256)) * 8)
    write_items(
        folder,
        item_ids=[f"item-{i}" for i in range(items)],
        vectors=np.arange(items * 2, dtype=np.float32).reshape(items, 2),
        bias=np.arange(items, dtype=np.float32),
    )
    files, sizes = describe_files(folder)
    write_manifest(
        folder,
        Manifest(
            version=version,
            created_at=1_700_000_000_000,
            files=files,
            sizes=sizes,
            max_length=2,
            width=2,
            k_limit=2,
            item_count=items,
            capacity=capacity(items),
            golden=GOLDEN,
            event_types=EVENT_TYPES,
            positive_types=("like",),
        ),
    )
    return folder

"""Every scorer there is, over one small catalogue, for the contract."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.bundle.items import read_items
from models.bundle.manifest import read_manifest
from models.bundle.signature import NO_CANDIDATE_SCORE
from models.bundle.verification import ENCODER_FILE
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.device import cuda_device_count
from stream_app.scoring.onnx_scorer import open_scorer
from stream_app.scoring.scorer import Scorer
from tests.tiny_bundle import make_tiny_bundle, reference

ITEMS = 400
MAX_LENGTH = 20
K_LIMIT = 50


@dataclass(frozen=True)
class Subject:
    """A scorer and the catalogue that it ranks."""

    scorer: Scorer
    catalogue: Catalogue


class NumpyScorer:
    """The tiny model in numpy: what the others are compared with must keep the contract too."""

    version = "numpy"
    max_length = MAX_LENGTH
    k_limit = K_LIMIT

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def score(self, inputs: ModelInputs) -> Ranked:
        for rows in (inputs.item_ids, inputs.exclude_ids):
            if rows.size and not (rows.min() >= 0 and rows.max() < self._catalogue.rows):
                raise ValueError("row beyond the catalogue")
        if not inputs.item_ids.shape == inputs.event_types.shape == inputs.time_deltas.shape:
            raise ValueError("shapes differ")
        if inputs.item_ids.shape[1] != self.max_length:
            raise ValueError("another length")
        ranked = reference(inputs, self._catalogue.vectors, self._catalogue.bias, self.k_limit)
        assert (ranked.topk_ids[ranked.topk_scores <= NO_CANDIDATE_SCORE] == 0).all()
        return ranked


def make(kind: str, folder: Path) -> Subject:
    if kind == "onnx-cpu-trained":
        shutil.copytree(_exported(), folder, dirs_exist_ok=True)
    else:
        make_tiny_bundle(
            folder,
            [f"item-{i}" for i in range(ITEMS)],
            max_length=MAX_LENGTH,
            k_limit=K_LIMIT,
            catalogue_dtype="float16" if kind == "onnx-cpu-float16" else "float32",
        )
    manifest, items = read_manifest(folder), read_items(folder)
    catalogue = Catalogue(vectors=items.vectors, bias=items.bias, dtype=manifest.catalogue_dtype)
    if kind == "numpy":
        return Subject(NumpyScorer(catalogue), catalogue)
    scorer = open_scorer(
        folder / ENCODER_FILE,
        catalogue=catalogue,
        version=manifest.version,
        max_length=MAX_LENGTH,
        k_limit=K_LIMIT,
        device="cuda" if kind == "onnx-cuda" else "cpu",
    )
    return Subject(scorer, catalogue)


@cache
def _exported() -> Path:
    """The graph that training writes, once for all tests: exporting takes seconds."""
    from training.untrained import export_untrained

    folder = Path(tempfile.mkdtemp(prefix="millstream-contract-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    export_untrained(folder, items=ITEMS, max_length=MAX_LENGTH, width=16, k_limit=K_LIMIT)
    return folder


TINY = ("numpy", "onnx-cpu", "onnx-cpu-float16", *(("onnx-cuda",) if cuda_device_count() else ()))
"""Those whose answers the numpy reference knows."""

KINDS = (*TINY, "onnx-cpu-trained")

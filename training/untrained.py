"""A model of random weights, as a bundle: for measurements, where what it says does not matter."""

from __future__ import annotations

from pathlib import Path

import torch

from models.bundle.manifest import Manifest, TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.sequence_model import SequenceModel
from training.dataset import HistoryRules
from training.export import export
from training.fit_config import FitReport
from training.torch_scorer import K_LIMIT
from training.train import TrainedModel


def export_untrained(
    folder: Path, *, items: int, max_length: int = 50, width: int = 64, k_limit: int = K_LIMIT, seed: int = 0
) -> Manifest:
    """Write a bundle of `items` items to `folder`; it costs as much to serve as a trained one."""
    torch.manual_seed(seed)
    model = SequenceModel(
        EncoderConfig(max_length=max_length, width=width),
        vectors=torch.randn(items, width) / width**0.5,
        bias=torch.zeros(items),
    )
    trained = TrainedModel(
        model=model,
        vocabulary=Vocabulary([f"item-{number}" for number in range(items)]),
        rules=HistoryRules(max_length=max_length),
        window=TrainingWindow(),
        report=FitReport(epochs=0, steps=0, loss=0.0, seconds=0.0),
    )
    return export(trained, folder, version="untrained", k_limit=k_limit)

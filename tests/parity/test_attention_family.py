"""Every attention of the family, and a context, answers on onnxruntime as on torch, as a whole bundle."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from models.bundle.context import moment_codes
from models.bundle.manifest import TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import Attention, EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.scoring.snapshot import load_snapshot
from tests.odd_histories import ASKED_MS, ODD, odd_records
from training.dataset import HistoryRules
from training.export import export
from training.fit_config import FitReport
from training.torch_scorer import TorchScorer
from training.train import TrainedModel

LENGTH, WIDTH, ITEMS, K = 70, 16, 300, 20  # longer than what a block computes at once


def _model(config: EncoderConfig) -> SequenceModel:
    torch.manual_seed(5)
    model = SequenceModel(config, vectors=torch.randn(ITEMS, WIDTH) / 2, bias=torch.randn(ITEMS) / 5)
    with torch.no_grad():
        for parameter in model.encoder.parameters():  # what starts at 0 would hide a fault
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def _inputs(context: np.ndarray | None) -> ModelInputs:  # type: ignore[type-arg]
    """Empty, one event, one item again and again, a full window."""
    random = np.random.default_rng(0)
    counts = np.array([0, 1, LENGTH, LENGTH])
    real = np.arange(LENGTH) >= LENGTH - counts[:, None]
    item_ids = np.where(real, random.integers(1, ITEMS + 1, real.shape), 0)
    item_ids[2] = 7
    ages = np.sort(random.exponential(1e6, real.shape), axis=1)[:, ::-1]
    return ModelInputs(
        item_ids.astype(np.int32),
        np.where(real, random.integers(1, 7, real.shape), 0).astype(np.int32),
        np.where(real, ages, 0).astype(np.float32),
        np.zeros((4, 32), dtype=np.int32),
        context,
    )


@pytest.mark.parametrize("attention", get_args(Attention))
def test_a_bundle_of_each_attention_answers_as_torch(attention: Attention, tmp_path: Path) -> None:
    # The pointwise one has the context too: one export less.
    fields = ("device",) if attention == "pointwise" else None
    config = EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2, attention=attention, context=fields)
    model = _model(config)
    export(
        TrainedModel(
            model=model,
            vocabulary=Vocabulary([f"i{number}" for number in range(ITEMS)]),
            rules=HistoryRules(max_length=LENGTH),
            window=TrainingWindow(),
            report=FitReport(epochs=0, steps=0, loss=0.0, seconds=0.0),
        ),
        tmp_path,
        k_limit=K,
    )
    context = None
    if fields:
        moments = moment_codes(np.array([0, 10**12, 10**12 + 40_000_000, 10**12]))
        context = np.concatenate([moments, np.array([[0], [3], [4096], [5]], dtype=np.int32)], axis=1)
    snapshot = load_snapshot(tmp_path, device="cpu")  # the golden batch is checked here
    assert snapshot.manifest.context_fields == fields
    inputs = _inputs(context)
    expected = TorchScorer(model, k_limit=K).score(inputs)
    found = snapshot.scorer.score(inputs)
    np.testing.assert_array_equal(found.topk_ids, expected.topk_ids)
    np.testing.assert_allclose(found.topk_scores, expected.topk_scores, atol=1e-4)
    np.testing.assert_allclose(found.attention, expected.attention, atol=1e-5)
    np.testing.assert_allclose(found.attention.sum(1), [0, 1, 1, 1], atol=1e-5)
    odd = encode(
        odd_records(step_ms=60_000),
        [ASKED_MS] * len(ODD),
        snapshot.vocabulary,
        max_length=LENGTH,
        context_fields=fields,
    )
    found, expected = snapshot.scorer.score(odd), TorchScorer(model, k_limit=K).score(odd)
    np.testing.assert_array_equal(found.topk_ids, expected.topk_ids)
    np.testing.assert_allclose(found.attention, expected.attention, atol=1e-5)
    assert np.isfinite(found.topk_scores).all()
    if fields:
        with pytest.raises(ValueError, match=r"context: expected \[4, 3\], found None"):
            snapshot.scorer.score(_inputs(None))

"""Whether it learns, and whether it stops."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.encoder_config import EncoderConfig
from stream_app.domain.encoding import ModelInputs
from tests.unit.training.logs import log_of, successors
from training.dataset import HistoryRules
from training.errors import TrainingDiverged, TrainingError
from training.fit_config import FitConfig, Loss
from training.torch_scorer import TorchScorer
from training.train import TrainedModel, train

RULES = HistoryRules(max_length=10)
ENCODER = EncoderConfig(max_length=10, width=32, blocks=2, dropout=0.0)
QUICK = FitConfig(epochs=2, batch_size=8)


def _train(config: FitConfig) -> TrainedModel:
    return train(successors(users=30, events=20, items=40), encoder=ENCODER, rules=RULES, config=config)


def test_a_planted_pattern_is_learnt() -> None:
    """All items are alike, and every user's set is a stretch of the circle: only the order tells the next.

    A model that looked at the wrong position, or at its own target, would not find it.
    """
    trained = _train(FitConfig(epochs=40, batch_size=16, learning_rate=5e-3))
    first = np.arange(40)
    names = [[f"i{(start + step) % 40}" for step in range(6)] for start in first]
    item_ids = np.zeros((40, 10), dtype=np.int32)
    item_ids[:, 4:] = [[trained.vocabulary.row(name) for name in row] for row in names]
    inputs = ModelInputs(
        item_ids,
        (item_ids > 0).astype(np.int32),
        np.where(item_ids > 0, np.arange(9, -1, -1) * 60, 0).astype(np.float32),
        np.zeros((40, 32), dtype=np.int32),
    )
    best = TorchScorer(trained.model, k_limit=10).score(inputs).topk_ids[:, 0]
    expected = [trained.vocabulary.row(f"i{(start + 6) % 40}") for start in first]
    assert (best == expected).mean() > 0.9


def test_the_same_seed_gives_the_same_model() -> None:
    one, two, other = _train(QUICK), _train(QUICK), _train(FitConfig(epochs=2, batch_size=8, seed=1))
    assert torch.equal(one.model.vectors, two.model.vectors)
    assert not torch.equal(one.model.vectors, other.model.vectors)


def test_the_seconds_end_it_before_the_epochs_do() -> None:
    lines: list[str] = []
    started_s = time.monotonic()
    trained = train(
        successors(users=30, events=20, items=40),
        encoder=ENCODER,
        rules=RULES,
        config=FitConfig(epochs=100_000, seconds=1.0, batch_size=8),
        say=lines.append,
    )
    assert time.monotonic() - started_s < 30
    assert 1 <= trained.report.epochs < 100_000
    assert len(lines) == trained.report.epochs


def test_a_loss_that_is_no_number_ends_the_fit_with_the_remedy() -> None:
    with pytest.raises(TrainingDiverged, match=r"the loss is \w+ at step \d+; lower the learning rate"):
        _train(FitConfig(epochs=2, batch_size=8, learning_rate=1e30))


@pytest.mark.parametrize("loss", ["binary", "sampled-softmax"])
def test_smoothing_is_for_the_full_softmax(loss: Loss) -> None:
    with pytest.raises(
        TrainingError, match=f"goes with the full softmax, and the loss is {loss}; leave it out"
    ):
        _train(replace(QUICK, loss=loss, label_smoothing=0.1))


def test_a_log_without_anything_to_predict_is_refused() -> None:
    log = log_of([("u", "a", "view", 0), ("v", "a", "view", 1), ("u", "b", "dislike", 2)])
    with pytest.raises(TrainingError, match="no user with a positive event after another one"):
        train(log, encoder=ENCODER, rules=RULES, config=QUICK)


def test_a_log_of_two_events_is_enough() -> None:
    trained = train(
        log_of([("u", "a", "view", 0), ("u", "b", "view", 1)]), encoder=ENCODER, rules=RULES, config=QUICK
    )
    assert trained.vocabulary.item_ids == ("a", "b")
    assert torch.isfinite(trained.model.vectors).all()

"""What a fit writes for those who watch it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.encoder import EncoderConfig
from tests.unit.training.logs import successors
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.fit_config import FitConfig, FitFolders, Precision
from training.fit_module import FitModule
from training.train import TrainedModel, train

RULES = HistoryRules(max_length=10)


def _train(
    precision: Precision = "auto", logs: Path | None = None, *, show_progress: bool = False
) -> TrainedModel:
    return train(
        successors(users=30, events=20, items=40),
        encoder=EncoderConfig(max_length=10, width=16, dropout=0.0),
        rules=RULES,
        config=FitConfig(epochs=2, batch_size=4, validation="newest", precision=precision),
        folders=FitFolders(logs=logs),
        show_progress=show_progress,
    )


def test_steps_and_epochs_are_logged_as_csv_and_for_tensorboard(tmp_path: Path) -> None:
    report = _train(logs=tmp_path).report
    rows = pl.read_csv(tmp_path / "csv" / "version_0" / "metrics.csv")
    steps = rows.filter(pl.col("loss").is_not_null())
    assert steps["step"].to_list() == list(range(0, report.steps, 10))
    assert (steps["gradient_norm"] > 0).all()
    rates = steps["learning_rate"].to_numpy()
    assert rates[0] == 3e-3 and np.diff(rates) == pytest.approx(np.diff(rates).mean())  # a line
    assert 0 < rates[-1] < 1e-3
    epochs = rows.filter(pl.col("epoch_loss").is_not_null())
    assert epochs["epoch_loss"].to_list() == pytest.approx(report.losses)
    assert epochs["ndcg@10"].to_list() == pytest.approx(report.ndcg)
    assert epochs["hr@10"].to_list() == pytest.approx(report.hit_rate)

    events = EventAccumulator(str(tmp_path / "tensorboard" / "version_0"))
    events.Reload()
    assert {"loss", "learning_rate", "gradient_norm", "epoch_loss", "ndcg@10", "hr@10"} <= set(
        events.Tags()["scalars"]
    )
    assert [one.value for one in events.Scalars("epoch_loss")] == pytest.approx(report.losses)


def test_gradients_are_cut_at_the_norm(tmp_path: Path) -> None:
    trained = _train()
    module = FitModule(
        trained.model,
        _sequences(tmp_path),
        rules=RULES,
        config=FitConfig(gradient_norm_limit=0.5),
        held_out=None,
        questions=None,
        facts={},
        say=print,
    )
    parameters = [one for one in trained.model.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(parameters)
    for size, wanted in ((10.0, 0.5), (1e-4, None)):
        for one in parameters:
            one.grad = torch.full_like(one, size)
        before = _norm(parameters)
        module.configure_gradient_clipping(optimizer)
        assert _norm(parameters) == pytest.approx(wanted or before, rel=1e-3)


def test_the_bar_is_drawn_where_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    _train()
    assert not capfd.readouterr().err
    _train(show_progress=True)
    drawn = capfd.readouterr().err
    assert "Epoch 1/1" in drawn and "loss" in drawn


def _norm(parameters: list[torch.nn.Parameter]) -> float:
    return float(torch.stack([one.grad.norm() for one in parameters if one.grad is not None]).norm())


def _sequences(folder: Path) -> Sequences:
    log = successors(users=30, events=20, items=40)
    return write_sequences(log, vocabulary_of(log), folder)


def test_bfloat16_is_of_the_products_alone(tmp_path: Path) -> None:
    full, mixed = _train("32"), _train("bf16")
    assert mixed.model.vectors.dtype == torch.float32
    assert not torch.equal(full.model.vectors, mixed.model.vectors)
    assert mixed.report.losses == pytest.approx(full.report.losses, rel=0.02)
    if not torch.cuda.is_available():
        assert torch.equal(_train("auto").model.vectors, full.model.vectors)

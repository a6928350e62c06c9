"""Several processes fit what one would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from models.encoder import EncoderConfig
from stream_app.domain.messages import Item
from tests.unit.training.logs import log_of
from training.batches import EpochBatches, weight_of
from training.dataset import HistoryRules, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig, FitFolders
from training.interactions import Interactions
from training.item_start import TowerConfig
from training.train import TrainedModel, train

RULES = HistoryRules(max_length=10)
# A half-life of minutes, in a log of hours: windows weigh very differently.
# With a category alone: what is there for other fields has nothing to learn.
ITEMS = {f"i{number}": Item(item_id=f"i{number}", categories=(f"c{number % 3}",)) for number in range(30)}
CONFIG = FitConfig(epochs=2, batch_size=7, recency_half_life_days=0.01, validation="last")


@pytest.fixture(scope="module")
def log() -> Interactions:
    random = np.random.default_rng(0)
    lengths = random.integers(2, 30, 40)
    return log_of(
        [
            (f"u{user}", f"i{(7 * user + turn) % 30}", "view", turn * 600 + user)
            for user, length in enumerate(lengths.tolist())
            for turn in range(length)
        ]
    )


def _train(log: Interactions, *, devices: int, say: object = print, **folders: object) -> TrainedModel:
    return train(
        log,
        rules=RULES,
        encoder=EncoderConfig(max_length=10, width=16, dropout=0.0),
        config=replace(CONFIG, devices=devices),
        folders=FitFolders(**folders),  # type: ignore[arg-type]
        items=ITEMS,
        tower=TowerConfig(id_dropout=0.0),
        say=say,  # type: ignore[arg-type]
    )


def test_the_ranks_shares_are_the_batch_and_weigh_differently(log: Interactions, tmp_path: Path) -> None:
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    whole, *shares = (
        list(EpochBatches(sequences, rules=RULES, config=CONFIG, epoch=0, rank=rank, ranks=ranks))
        for rank, ranks in ((0, 1), (0, 2), (1, 2))
    )
    assert len(whole) == len(shares[0]) == len(shares[1])
    weights = np.array([[float(weight_of(batch)) for batch in batches] for batches in (whole, *shares)])
    np.testing.assert_allclose(weights[0], weights[1] + weights[2], rtol=1e-5)
    # Else a mean of the ranks' own means would be the mean over the batch, and the next test tell nothing.
    assert (np.abs(np.log(weights[1] / weights[2])) > 0.5).mean() > 0.5


def test_a_rank_without_a_window_has_something_to_encode_and_nothing_to_learn(tmp_path: Path) -> None:
    log = log_of([("u", item, "view", at) for at, item in enumerate("abc")])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    (batch,) = EpochBatches(sequences, rules=RULES, config=CONFIG, epoch=0, rank=1, ranks=2)
    assert batch["item_ids"].shape == (1, 10) and (batch["item_ids"] > 0).any()
    assert not batch["targets"].any() and float(weight_of(batch)) == 0


@pytest.mark.timeout(600)
def test_two_processes_come_to_the_weights_of_one(log: Interactions, tmp_path: Path) -> None:
    lines: list[str] = []
    one = _train(log, devices=1)
    two = _train(log, devices=2, say=lines.append, checkpoints=tmp_path / "kept", logs=tmp_path / "logs")
    assert [line.split(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    np.testing.assert_allclose(one.report.losses, two.report.losses, rtol=1e-5)
    np.testing.assert_allclose(one.report.ndcg, two.report.ndcg, atol=1e-3)
    assert one.report.steps == two.report.steps
    expected, got = one.model.state_dict(), two.model.state_dict()
    for name, weights in expected.items():
        torch.testing.assert_close(got[name], weights, rtol=1e-4, atol=2e-5)
    # Rank 0 alone writes.
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert len(list((tmp_path / "logs" / "csv").iterdir())) == 1
    assert not torch.distributed.is_initialized()


def _ranks() -> list[psutil.Process]:
    """The other processes of a fit; a test run may have children of other kinds, such as a broker."""
    return [child for child in psutil.Process().children() if "training.rank" in child.cmdline()]


@pytest.mark.timeout(600)
def test_a_process_that_dies_ends_the_fit_in_one_line(log: Interactions) -> None:
    def kill_the_other(line: str) -> None:
        (other,) = _ranks()
        other.kill()

    with pytest.raises(TrainingError, match="process 2 of 2 ended with exit code -9") as caught:
        _train(log, devices=2, say=kill_the_other)
    assert "\n" not in str(caught.value)
    assert not _ranks()

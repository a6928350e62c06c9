"""The batches of an epoch: everything once, whatever they are grouped by, and what their targets count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.bundle.signature import EVENT_TYPES
from models.encoder_config import EncoderConfig
from models.objective import FullSoftmax
from models.sequence_model import SequenceModel
from tests.unit.training.logs import log_of
from training.batches import Batch, EpochBatches
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig, Loss
from training.interactions import Interactions
from training.objectives import FULL_SOFTMAX_ITEMS, objective_of, target_weights

RULES = HistoryRules(max_length=16)


def _log(users: int = 60) -> Interactions:
    """Histories of 2 to 40 events, some of them dislikes, in turns."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 41, users)
    types = ("view", "click", "purchase", "dislike")
    return log_of(
        [
            (f"u{user}", f"i{random.integers(30)}", types[random.integers(4)], turn * 100 + user)
            for turn in range(40)
            for user in range(users)
            if turn < lengths[user]
        ]
    )


@pytest.fixture
def sequences(tmp_path: Path) -> Sequences:
    log = _log()
    return write_sequences(log, vocabulary_of(log), tmp_path)


def _batches(sequences: Sequences, *, epoch: int = 0, batch_size: int = 8, **settings: Any) -> list[Batch]:
    config = FitConfig(batch_size=batch_size, **settings)
    return list(EpochBatches(sequences, rules=RULES, config=config, epoch=epoch))


def _learnt(batches: list[Batch]) -> list[tuple[float, ...]]:
    """Each learnt target with the item before it and its weight, in some order."""
    found: list[tuple[float, ...]] = []
    for batch in batches:
        learnt = batch["targets"] > 0
        columns = (batch["item_ids"], batch["targets"], (batch["weights"] * 1e6).round())
        found += zip(*(column[learnt].tolist() for column in columns), strict=True)
    return sorted(found)


def test_grouping_by_length_leaves_out_padding_and_nothing_else(sequences: Sequences) -> None:
    plain, grouped = (_batches(sequences, group_lengths=group) for group in (False, True))
    assert _learnt(plain) == _learnt(grouped)
    cells = [sum(batch["item_ids"].numel() for batch in batches) for batches in (plain, grouped)]
    events = sum(int((batch["item_ids"] > 0).sum()) for batch in plain)
    assert events <= cells[1] < 0.9 * cells[0]
    assert all((batch["item_ids"] > 0).any(0).all() for batch in grouped)


def test_windows_that_end_early_are_grouped_by_what_they_hold(tmp_path: Path) -> None:
    # Visits of 1 to 16 events, a year apart: a window holds one of them, whatever lies before.
    random = np.random.default_rng(0)
    events = []
    for user in range(20):
        for visit, length in enumerate(random.integers(2, 17, 6)):
            at_s = visit * 365 * 86_400
            events += [(f"u{user}", f"i{random.integers(30)}", "view", at_s + n) for n in range(length)]
    log = log_of(events)
    batches = _batches(write_sequences(log, vocabulary_of(log), tmp_path), group_lengths=True)
    held = sum(int((batch["item_ids"] > 0).sum()) for batch in batches)
    assert held > 0.9 * sum(batch["item_ids"].numel() for batch in batches)


def test_batches_are_others_in_every_epoch(sequences: Sequences) -> None:
    first, again, second = (
        [batch["item_ids"].tolist() for batch in _batches(sequences, group_lengths=True, epoch=epoch)]
        for epoch in (0, 0, 1)
    )
    assert first == again != second


def test_a_batch_without_its_padding_costs_the_same(sequences: Sequences) -> None:
    torch.manual_seed(0)
    config = EncoderConfig(max_length=16, width=8)
    model = SequenceModel(config, vectors=torch.randn(30, 8), bias=torch.zeros(30)).eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    batch = min(_batches(sequences, group_lengths=True), key=lambda batch: batch["item_ids"].shape[1])
    missing = 16 - batch["item_ids"].shape[1]
    assert missing > 0
    padded = {name: F.pad(column, (missing, 0)) for name, column in batch.items()}
    objective = FullSoftmax()
    torch.testing.assert_close(
        model.loss(**padded, objective=objective), model.loss(**batch, objective=objective)
    )


def test_targets_count_by_their_type(sequences: Sequences) -> None:
    everything: dict[str, Any] = {"batch_size": 1000, "recency_half_life_days": None}
    weights = (("purchase", 3.0), ("view", 0.0), ("dislike", -0.5))
    (weighted,) = _batches(sequences, type_weights=weights, **everything)
    (plain,) = _batches(sequences, **everything)
    assert set(weighted["weights"][weighted["targets"] > 0].tolist()) == {1.0, 3.0, -0.5}
    assert set(plain["weights"][plain["targets"] > 0].tolist()) == {1.0}
    # Views are gone and dislikes have come.
    follows = np.ones(len(sequences.type_code), dtype=bool)
    follows[sequences.start[:-1]] = False
    for batch, left_out in ((weighted, "view"), (plain, "dislike")):
        learnt = follows & (sequences.type_code != EVENT_TYPES.index(left_out))
        assert int((batch["targets"] > 0).sum()) == int(learnt.sum())


def test_a_type_that_does_not_exist_is_told() -> None:
    with pytest.raises(TrainingError, match="no event type 'buy'; there are view, click"):
        target_weights(FitConfig(type_weights=(("buy", 1.0),)), RULES)


@pytest.mark.parametrize(
    ("loss", "items", "name"),
    [
        ("auto", 30, "FullSoftmax"),
        ("auto", FULL_SOFTMAX_ITEMS + 1, "SampledSoftmax"),
        ("sampled-softmax", 30, "SampledSoftmax"),
        ("binary", 30, "Binary"),
    ],
)
def test_an_objective_has_its_name(sequences: Sequences, loss: Loss, items: int, name: str) -> None:
    made = objective_of(FitConfig(loss=loss), sequences, items=items, rules=RULES)
    assert type(made).__name__ == name

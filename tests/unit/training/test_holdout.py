"""What is held out is not learnt from, in any way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.encoder import EncoderConfig
from tests.unit.training.logs import START_MS, log_of
from training.batches import EpochBatches
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig, Validation, without_times
from training.holdout import hold_out
from training.interactions import Interactions
from training.objectives import objective_of
from training.train import train

RULES = HistoryRules(max_length=4)


def _random_log(*, users: int = 20, events: int = 400, items: int = 30, seed: int = 0) -> Interactions:
    random = np.random.default_rng(seed)
    return log_of(
        [
            (f"u{random.integers(users)}", f"i{random.integers(items)}", "view", moment)
            for moment in range(events)
        ]
    )


def _sequences(log: Interactions, folder: Path) -> Sequences:
    return write_sequences(log, vocabulary_of(log), folder)


def test_last_is_the_last_event_of_users_with_two(tmp_path: Path) -> None:
    log = log_of([("u", "a", "view", 0), ("v", "a", "view", 1), ("u", "b", "view", 2), ("u", "c", "view", 3)])
    held = hold_out(_sequences(log, tmp_path), FitConfig(validation="last"))
    assert held is not None and held.tolist() == [False, False, True, False]


def test_newest_is_the_newest_part_and_what_its_users_did_after(tmp_path: Path) -> None:
    seconds = {"u": [0, 1, 99, 5], "v": [2, 3, 4, 6], "w": [7, 8, 98, 100]}  # u's clock goes back
    events = [
        (user, f"i{place}", "view", at) for user, times in seconds.items() for place, at in enumerate(times)
    ]
    config = FitConfig(validation="newest", validation_share=0.25)
    held = hold_out(_sequences(log_of(events), tmp_path), config)
    assert held is not None
    assert held.tolist() == [*(False, False, True, True), *[False] * 4, *(False, False, True, True)]


def test_a_log_of_one_moment_has_no_newest_part(tmp_path: Path) -> None:
    log = log_of([("u", item, "view", 0) for item in "abcd"])
    with pytest.raises(
        TrainingError, match="cannot be told from the rest by time; hold out each user's last"
    ):
        hold_out(_sequences(log, tmp_path), FitConfig(validation="newest"))
    assert without_times(FitConfig(validation="newest")).validation == "last"
    assert without_times(FitConfig()).validation == "none"


@pytest.mark.parametrize("validation", ["last", "newest"])
def test_every_event_but_those_held_out_and_each_first_is_a_target_once(
    validation: Validation, tmp_path: Path
) -> None:
    log = _random_log()
    log = replace(log, timestamp_ms=START_MS + np.arange(len(log)) * 60_000)  # tells one target from another
    sequences = _sequences(log, tmp_path)
    config = FitConfig(validation=validation, batch_size=3, recency_half_life_days=1.0)
    held = hold_out(sequences, config)
    assert held is not None and 0 < held.sum() < len(log) / 2
    learnt = []
    for rank in range(2):
        batches = EpochBatches(
            sequences, rules=RULES, config=config, epoch=1, held_out=held, rank=rank, ranks=2
        )
        for batch in batches:
            chosen = batch["targets"] > 0
            learnt += batch["weights"][chosen].tolist()
    expected = ~held
    expected[sequences.start[:-1]] = False
    ages = (sequences.timestamp_ms.max() - sequences.timestamp_ms[expected]) / 86_400_000
    np.testing.assert_allclose(sorted(learnt), sorted(0.5**ages), rtol=1e-5)


@pytest.mark.parametrize("validation", ["last", "newest"])
def test_other_events_held_out_give_the_same_model(validation: Validation, tmp_path: Path) -> None:
    """Not as targets, not as input, not as counts: items that change places leave no trace."""
    log = _random_log(seed=1)
    config = FitConfig(epochs=1, batch_size=8, validation=validation)
    sequences = _sequences(log, tmp_path)
    held = hold_out(sequences, config)
    assert held is not None
    in_log = np.argsort(log.user, kind="stable")[held]  # sequences are in order of users
    item = log.item.copy()
    item[in_log] = np.roll(item[in_log], 1)
    other = replace(log, item=item)
    assert vocabulary_of(other).item_ids == vocabulary_of(log).item_ids
    first, second = (_train(each, config) for each in (log, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    # The same change is seen where nothing is held out.
    first, second = (_train(each, replace(config, validation="none")) for each in (log, other))
    assert not torch.equal(first["vectors"], second["vectors"])


def test_negatives_are_drawn_by_what_is_learnt_alone(tmp_path: Path) -> None:
    log = _random_log()
    sequences, config = _sequences(log, tmp_path), FitConfig(loss="sampled-softmax", validation="last")
    held, items = hold_out(sequences, config), len(vocabulary_of(log))
    assert held is not None
    made = objective_of(config, sequences, items=items, rules=RULES, held_out=held)
    counts = np.bincount(sequences.row[~held], minlength=items + 1)[1:]
    share = (counts + 1.0) ** 0.75
    np.testing.assert_allclose(made.log_q, np.log(share / share.sum()), rtol=1e-5)


def _train(log: Interactions, config: FitConfig) -> dict[str, Any]:
    encoder = EncoderConfig(max_length=RULES.max_length, width=16)
    return train(log, rules=RULES, encoder=encoder, config=config).model.state_dict()

"""Logs of two kinds of items that nobody mixes, made up for tests."""

from __future__ import annotations

import numpy as np

from models.encoder_config import EncoderConfig
from stream_app.domain.messages import Item
from tests.unit.training.logs import log_of
from training.dataset import HistoryRules
from training.fit_config import FitConfig
from training.interactions import Interactions
from training.train import TrainedModel, train

KINDS = ("Horror", "Comedy")
RULES = HistoryRules(max_length=10, positive_types=("view",))
FIT = FitConfig(epochs=18, batch_size=8, learning_rate=5e-3, item_fields_rate=0.1)
UNTOUCHED = ("new-Horror", "new-Comedy")


def two_worlds(*, users: int = 40, events: int = 12, items: int = 30, seed: int = 0) -> Interactions:
    """Each user takes items of one kind alone, drawn evenly; item n is of kind n mod 2."""
    random = np.random.default_rng(seed)
    return log_of(
        [
            (f"u{user}", f"i{2 * random.integers(items // 2) + user % 2}", "view", turn * 60 + user)
            for turn in range(events)
            for user in range(users)
        ]
    )


def table(items: int = 30) -> dict[str, Item]:
    """The log's items and two untouched ones, each with its kind as category."""
    kinds = {f"i{number}": KINDS[number % 2] for number in range(items)}
    kinds |= dict(zip(UNTOUCHED, KINDS, strict=True))
    return {item_id: Item(item_id=item_id, categories=(kind,)) for item_id, kind in kinds.items()}


def trained_worlds() -> TrainedModel:
    """A model of them that reads the fields."""
    return train(
        two_worlds(),
        encoder=EncoderConfig(max_length=10, width=16, blocks=2, dropout=0.3),
        rules=RULES,
        config=FIT,
        items=table(),
    )

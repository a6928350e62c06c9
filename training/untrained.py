"""A model of random weights, as a bundle: for measurements, where what it says does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models.bundle.item_features import item_inputs, learn_schema
from models.bundle.manifest import Manifest, TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.item_tower import ItemTower
from models.known_items import KnownItems
from models.sequence_model import SequenceModel
from stream_app.domain.messages import Item
from training.dataset import HistoryRules
from training.export import export
from training.fit_config import FitReport
from training.torch_scorer import K_LIMIT
from training.train import TrainedModel


def export_untrained(
    folder: Path,
    *,
    items: int,
    max_length: int = 50,
    width: int = 64,
    encoder: EncoderConfig | None = None,
    k_limit: int = K_LIMIT,
    seed: int = 0,
    told: Sequence[Item] = (),
) -> Manifest:
    """Write a bundle of `items` items to `folder`; it costs as much to serve as a trained one.

    `encoder` goes before `max_length` and `width`. With `told`, as many, it has an item tower that reads
    their fields. Raises ValueError where they are not.
    """
    if told and len(told) != items:
        raise ValueError(f"{len(told)} items are told of, and {items} wanted")
    torch.manual_seed(seed)
    encoder = encoder or EncoderConfig(max_length=max_length, width=width)
    width = encoder.width
    model = SequenceModel(
        encoder,
        vectors=torch.randn(items, width) / width**0.5,
        bias=torch.zeros(items),
        known=_untrained_tower(told, width=width) if told else None,
    )
    if model.encoder.context_fusion is not None:  # else it starts at 0, where no moment changes anything
        for weights in model.encoder.context_fusion.mixed[2].parameters():
            nn.init.normal_(weights)
    trained = TrainedModel(
        model=model,
        vocabulary=Vocabulary(
            [item.item_id for item in told] or [f"item-{number}" for number in range(items)]
        ),
        rules=HistoryRules(max_length=encoder.max_length),
        window=TrainingWindow(),
        report=FitReport(epochs=0, steps=0, loss=0.0, seconds=0.0),
        items=tuple(told),
    )
    return export(trained, folder, version="untrained", k_limit=k_limit)


def _untrained_tower(told: Sequence[Item], *, width: int) -> KnownItems:
    schema = learn_schema(told)
    tower = ItemTower(schema, width=width)
    for weights in (tower.tokens, tower.numbers, tower.embedding):
        nn.init.normal_(weights, std=width**-0.5)
    return KnownItems(tower, item_inputs(told, schema), trust=torch.zeros(len(told)))

"""The objective that the settings ask for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.bundle.signature import EVENT_TYPES
from models.objective import Binary, FullSoftmax, SampledSoftmax
from training.dataset import HistoryRules, Sequences
from training.errors import TrainingError
from training.fit_config import FitConfig

FULL_SOFTMAX_ITEMS = 100_000
"""`auto` goes over every item up to so many, and draws negatives beyond: a step over all costs seven times
that over drawn ones there, and it is the better one (docs/training.md)."""
NEGATIVES = 4096
"""Drawn for each batch, where the settings do not say how many."""


def target_weights(config: FitConfig, rules: HistoryRules) -> dict[int, float]:
    """What a target of each type counts, by the type's code; types that are no targets are left out.

    Positive types count 1, all others nothing, unless `type_weights` says otherwise. Raises TrainingError for
    a type that does not exist.
    """
    weights = dict.fromkeys(rules.positive_codes, 1.0)
    for name, _ in config.type_weights:
        if name not in EVENT_TYPES[1:]:
            raise TrainingError(f"no event type {name!r}; there are {', '.join(EVENT_TYPES[1:])}")
    weights |= {EVENT_TYPES.index(name): weight for name, weight in config.type_weights}
    return {code: weight for code, weight in weights.items() if weight}


def objective_of(
    config: FitConfig,
    sequences: Sequences,
    *,
    items: int,
    rules: HistoryRules,
    held_out: NDArray[np.bool_] | None = None,
) -> nn.Module:
    """As of `models.objective.Objective`, for a catalogue of so many items; an event of `held_out` [n] has no
    part in how often negatives are drawn."""
    loss = config.loss
    if loss == "auto":
        loss = "full-softmax" if items <= FULL_SOFTMAX_ITEMS else "sampled-softmax"
    if config.label_smoothing and loss != "full-softmax":
        raise TrainingError(
            f"label_smoothing={config.label_smoothing:g} goes with the full softmax, and the loss is {loss}; "
            "leave it out"
        )
    if loss == "binary":
        return Binary(negatives=config.negatives or 1)
    if loss == "full-softmax":
        return FullSoftmax(smoothing=config.label_smoothing)
    wanted = np.isin(sequences.type_code, rules.positive_codes)
    if held_out is not None:
        wanted &= ~held_out
    counts = np.bincount(sequences.row[wanted], minlength=items + 1)[1:]
    return SampledSoftmax(torch.from_numpy(counts), negatives=config.negatives or NEGATIVES)

"""Where a model looks while a history grows: real users, event by event, as a worker would ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_app.domain.encoding import ModelInputs
from stream_app.domain.history import extend
from training.dataset import HistoryRules
from training.evaluation.served import ServedModel
from training.interactions import Interactions

EVENTS = 12
"""Shown of a history, its newest: what a page can hold with its titles."""


@dataclass(frozen=True, kw_only=True)
class AttentionMap:
    """One user. `maps` has float32 [n, n] for each model: row i is what the i-th event looks at, itself and
    what came before it; it sums to 1."""

    user: str
    items: tuple[str, ...]
    maps: Mapping[str, NDArray[np.float32]]


def attention_maps(
    models: Sequence[ServedModel], log: Interactions, *, rules: HistoryRules, users: int = 2, seed: int = 0
) -> list[AttentionMap]:
    """Draw `users` users with at least `EVENTS` events, or with the most there are, and ask each model once
    for every prefix of what is shown.

    What is asked is the served graph's own `attention` (last block, mean over heads), so that nothing but
    what is served is drawn. A model sees the shown events alone, not what came before them.
    """
    found: list[AttentionMap] = []
    for user in _drawn(log, users=users if models else 0, seed=seed):
        record = extend(
            None,
            log.rows(log.user == user).events(),
            epoch=0,
            limit=rules.history_limit,
            max_age_ms=rules.max_age_ms,
        )
        if record is None:
            continue
        windows = {model.name: model.newest(record, EVENTS) for model in models}
        shown = {name: window.item_ids[0][window.item_ids[0] > 0] for name, window in windows.items()}
        names = {
            model.name: tuple(model.vocabulary.item_id(row) for row in shown[model.name].tolist())
            for model in models
        }
        items = names[models[0].name]
        if not items:  # a user of nothing that the model knows
            continue
        # Models of one log have one vocabulary; one of the registry may lack an item, and is left out.
        alike = [model for model in models if names[model.name] == items]
        maps = {model.name: _prefixes(model, windows[model.name], len(items)) for model in alike}
        found.append(AttentionMap(user=log.users[user], items=items, maps=maps))
    return found


def _drawn(log: Interactions, *, users: int, seed: int) -> list[int]:
    events = np.bincount(log.user, minlength=len(log.users))
    long_enough = np.flatnonzero(events >= min(EVENTS, int(events.max(initial=0))))
    random = np.random.default_rng(seed)
    return sorted(random.permutation(long_enough)[:users].tolist())


def _prefixes(model: ServedModel, window: ModelInputs, events: int) -> NDArray[np.float32]:
    """Row i of the batch ends with event i, which is its now."""
    length = window.item_ids.shape[1]
    item_ids = np.zeros((events, length), dtype=np.int32)
    types, deltas = np.zeros_like(item_ids), np.zeros((events, length), dtype=np.float32)
    for row in range(events):
        source, column = slice(length - events, length - events + row + 1), slice(length - row - 1, length)
        item_ids[row, column] = window.item_ids[0, source]
        types[row, column] = window.event_types[0, source]
        deltas[row, column] = window.time_deltas[0, source] - window.time_deltas[0, source.stop - 1]
    context = None if window.context is None else np.repeat(window.context, events, axis=0)
    asked = ModelInputs(item_ids, types, deltas, np.zeros((events, 1), dtype=np.int32), context)
    attention = model.scorer.score(asked).attention
    drawn = np.zeros((events, events), dtype=np.float32)
    for row in range(events):
        drawn[row, : row + 1] = attention[row, length - row - 1 :]
    return drawn

"""How often an item is taken that nobody has touched yet, by its fields, as the log itself tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack

from models.bundle.item_features import EMBEDDING, NUMBERS, ItemInputs, item_inputs
from models.item_tower import ItemTower, number_basis, unit_embedding
from stream_app.domain.messages import Item
from training.interactions import Interactions
from training.long_columns import first_places
from training.untouched import AT_A_TIME

_CUTS = (0.7, 0.8, 0.9)
_SPAN = 0.1
_RIDGE = 1.0
_ROUNDS = 100


def settle_untouched_bias(
    tower: ItemTower, interactions: Interactions, items: Mapping[str, Item], *, added: float
) -> None:
    """Set the tower's bias: log of the share of the events that an item gets which nobody has touched.

    The log is cut at several places. At each, of every item that did not occur before (of the log and of
    `items`), it is known how often it occurred in the tenth of the log that follows. A Poisson regression of
    these counts on the fields, weighted as the tower weighs them, gives the bias: so it says that new films
    are taken oftener than those which have been left for years. `added` is added to it.

    Where no such item ever occurred it is that of one that occurs half a time, whatever the fields.
    """
    names = tuple(dict.fromkeys((*interactions.items, *items)))
    first = first_places(interactions.item, len(names))
    rows, counts, events = list[NDArray[np.int64]](), list[NDArray[np.int64]](), list[NDArray[np.float64]]()
    for cut in _CUTS:
        begin, end = (round(len(interactions) * part) for part in (cut, cut + _SPAN))
        untouched = np.flatnonzero(first >= begin)
        rows.append(untouched)
        counts.append(np.bincount(interactions.item[begin:end], minlength=len(names))[untouched])
        events.append(np.full(len(untouched), float(end - begin)))
    row, count, exposure = np.concatenate(rows), np.concatenate(counts), np.concatenate(events)
    if not count.sum():
        tower.typical_bias.fill_(math.log(0.5 / max(len(interactions), 1)) + added)
        return
    told = [items.get(name, Item(item_id=name)) for name in names]
    features = _features(tower, item_inputs(told, tower.schema))
    base, slopes = poisson_regression(features[row], count, exposure, ridge=_RIDGE)
    tower.typical_bias.fill_(base + added)
    parts = (tower.tokens, tower.numbers, tower.embedding)
    for part, found in zip(
        parts, np.split(slopes, np.cumsum([len(part) for part in parts])[:-1]), strict=True
    ):
        part.data[:, -1] = torch.from_numpy(found).float()


def poisson_regression(
    features: csr_array, count: NDArray[np.int64], exposure: NDArray[np.float64], *, ridge: float
) -> tuple[float, NDArray[np.float64]]:
    """The base b and slopes w that make `count` [n] likeliest under Poisson(exposure · exp(b + features w)),
    less ridge / 2 · |w|²; by L-BFGS.

    features  float64 [n, m]; the base starts at the overall rate
    """
    start = math.log(count.sum() / exposure.sum())

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_rate = np.clip(at[0] + features @ at[1:], -50.0, 5.0)
        expected = exposure * np.exp(log_rate)
        slope = expected - count
        value = float((expected - count * log_rate).sum() + 0.5 * ridge * at[1:] @ at[1:])
        return value, np.concatenate([[slope.sum()], features.T @ slope + ridge * at[1:]])

    begin = np.zeros(features.shape[1] + 1)
    begin[0] = start
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS}).x
    return float(found[0]), found[1:]


@torch.no_grad()
def _features(tower: ItemTower, inputs: ItemInputs) -> csr_array:
    """What the last columns of the tower's tables are multiplied with: [n, rows of the three tables]."""
    # Piece by piece: every token has a vector of its own on the way, [n, F, M, d + 1].
    pieces = zip(*(torch.split(torch.from_numpy(one), AT_A_TIME) for one in inputs.arrays()), strict=True)
    weights = torch.cat([tower(*piece)[2] for piece in pieces]).numpy().astype(np.float64)  # [n, F]
    item, place, column = np.nonzero(inputs.field_tokens)
    length = np.maximum((inputs.field_tokens > 0).sum(2), 1)
    share = weights[item, place] / length[item, place]
    tokens = csr_array(
        (share, (item, inputs.field_tokens[item, place, column])),
        shape=(len(inputs), tower.tokens.shape[0]),
    )
    dense = []
    for name, given in (
        (NUMBERS, number_basis(torch.from_numpy(inputs.numbers))),
        (EMBEDDING, unit_embedding(torch.from_numpy(inputs.embedding))),
    ):
        fields = tower.schema.fields
        weight = weights[:, fields.index(name)] if name in fields else np.zeros(len(inputs))
        dense.append(csr_array(weight[:, None] * given.numpy().astype(np.float64)))
    return csr_array(hstack([tokens, *dense], format="csr"))

"""What lists are like, whatever was hit: how much of the catalogue they show, how new, varied and popular.

`lists` are int32 [n, k], item codes, best first; −1 = no candidate, which counts nowhere. All work in blocks:
of memory they take some numbers an item, and a block of lists.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_BLOCK = 16_384
"""Lists."""


def coverage(lists: NDArray[np.int32], *, items: int) -> float:
    """The share of the catalogue that is in at least one list: |∪ lists| / items; from 0 to 1.

    (Ge, Delgado-Battenfeld and Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", 2010: catalogue coverage.)
    """
    return float(np.count_nonzero(_exposures(lists, items)) / items)


def novelty(lists: NDArray[np.int32], item_counts: NDArray[np.int64]) -> float | None:
    """The mean of −log2 p(item) over all places of all lists, in bits; None where nothing was recommended.

    item_counts  int64 [items], each item's events in training

    p(item) = (its events + 1) / (all events + items): one event is added to each item (Laplace), so that an
    item which never occurred is rare instead of infinitely new. (Castells, Vargas and Wang, "Novelty and
    diversity metrics for recommender systems", 2011: self-information of popularity.)
    """
    exposures = _exposures(lists, len(item_counts))
    shown = exposures.sum()
    if not shown:
        return None
    bits = np.log2(item_counts.sum() + len(item_counts)) - np.log2(item_counts + 1.0)
    return float(exposures @ bits / shown)


def diversity(
    lists: NDArray[np.int32], categories: sparse.csr_array | NDArray[np.bool_] | None
) -> float | None:
    """The mean over lists of 1 − cosine, averaged over all pairs of the list's items; from 0 to 1.

    categories  bool [items, categories], an item's vector is its row

    Items without a category are left out of their lists: nothing says what they are like. Lists with fewer
    than two items that have one are left out. None where no list is left, or without `categories`. (Ziegler,
    McNee, Konstan and Lausen, "Improving recommendation lists through topic diversification", 2005:
    intra-list similarity; as the mean distance: Castells, Hurley and Vargas, Recommender Systems Handbook,
    2015.)
    """
    if categories is None:
        return None
    total, counted = 0.0, 0
    for block in _blocks(lists):
        row, place = np.nonzero(block >= 0)
        vectors = sparse.csr_array(categories[block[row, place]]).astype(np.float64)
        vectors.eliminate_zeros()
        marks = np.diff(vectors.indptr)  # how many categories each has
        vectors.data[:] = np.repeat(1.0 / np.sqrt(np.maximum(marks, 1)), marks)
        known = np.bincount(row[marks > 0], minlength=len(block))
        of_list = sparse.csr_array((np.ones(len(row)), (row, np.arange(len(row)))), (len(block), len(row)))
        together = of_list @ vectors  # [lists, categories], the sum of the items' unit vectors
        # The square of a sum of unit vectors is their number plus twice the sum of all pairs' cosines.
        square = np.asarray(together.multiply(together).sum(axis=1)).ravel()
        kept = known > 1
        pairs = known[kept] * (known[kept] - 1.0)
        total += float((1.0 - (square[kept] - known[kept]) / pairs).sum())
        counted += int(kept.sum())
    return min(max(total / counted, 0.0), 1.0) if counted else None


def exposure_gini(lists: NDArray[np.int32], *, items: int) -> float | None:
    """How unevenly lists show the catalogue: 0 = all items alike, (items − 1) / items = one item alone.

    G = Σ (2 i − items − 1) x_i / (items Σ x_i), x the numbers of times that each item of the catalogue was
    recommended, 0 too, in rising order, i from 1. None where nothing was recommended. (Gini 1912; for
    recommenders: Fleder and Hosanagar, "Blockbuster culture's next rise or fall", 2009.)
    """
    exposures = np.sort(_exposures(lists, items)).astype(np.float64)
    shown = exposures.sum()
    if not shown:
        return None
    return float((2.0 * np.arange(1, items + 1) - items - 1.0) @ exposures / (items * shown))


def popularity_lift(
    lists: NDArray[np.int32], item_counts: NDArray[np.int64], history_popularity: NDArray[np.float64]
) -> float | None:
    """How much more popular lists are than what the users took before: 0 = alike, 1 = twice as popular.

    item_counts         int64 [items], each item's events in training: its popularity
    history_popularity  float64 [n], the mean popularity of the items of each question's history

    (GAP of lists − GAP of histories) / GAP of histories, where GAP is the mean over questions of the mean
    popularity of a list's or a history's items. Questions whose list is empty are left out of both. None
    where no question is left, or where the histories' is 0. (Abdollahpouri, Mansoury, Burke and Mobasher,
    "The unfairness of popularity bias in recommendation", 2019: ΔGAP.)
    """
    of_lists, of_histories, start = 0.0, 0.0, 0
    for block in _blocks(lists):
        there = block >= 0
        listed = there.sum(axis=1)
        popularity = np.where(there, item_counts[block], 0).sum(axis=1) / np.maximum(listed, 1)
        of_lists += float(popularity.sum())
        of_histories += float(history_popularity[start : start + len(block)][listed > 0].sum())
        start += len(block)
    return of_lists / of_histories - 1.0 if of_histories > 0 else None


def _exposures(lists: NDArray[np.int32], items: int) -> NDArray[np.int64]:
    """How often each item of the catalogue is in a list, int64 [items]."""
    exposures = np.zeros(items, dtype=np.int64)
    for block in _blocks(lists):
        exposures += np.bincount(block[block >= 0], minlength=items)
    return exposures


def _blocks(lists: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    for start in range(0, len(lists), _BLOCK):
        yield lists[start : start + _BLOCK]

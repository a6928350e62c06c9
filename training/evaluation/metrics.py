"""Figures of a ranking, from the rank that each question's one target had in its list.

There is one relevant item a question. Several of the classic figures are then one figure: recall is the hit
rate, average precision is the reciprocal rank. They are given under all their names, as papers do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
"""int64 [questions]: 1 is the top of the list, 0 = not in the list."""


def rank_of(lists: NDArray[np.int32], targets: NDArray[np.int32]) -> Ranks:
    """Where each target stands in its list, int64 [n].

    lists    int32 [n, K], item codes, best first; −1 = no candidate
    targets  int32 [n], item codes; a negative one is no item and is in no list
    """
    if lists.shape[1] == 0:
        return np.zeros(len(lists), dtype=np.int64)
    found = (lists == targets[:, None]) & (targets >= 0)[:, None]
    place = found.argmax(axis=1)
    return np.where(found[np.arange(len(lists)), place], place + 1, 0).astype(np.int64)


def hits(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """hit = 1 where 1 ≤ rank ≤ k, else 0, float64 [questions]; the mean is the hit rate, HR@k."""
    return ((ranks > 0) & (ranks <= k)).astype(np.float64)


def discounted_gains(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """hit / log2(rank + 1), float64 [questions]; the mean is NDCG@k.

    The ideal list has the one target at the top: its gain is 1, so nothing is left to normalise (Järvelin and
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002).
    """
    return hits(ranks, k) / np.log2(np.maximum(ranks, 1) + 1.0)


def reciprocal_ranks(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """hit / rank, float64 [questions]; the mean is MRR@k (Voorhees, TREC-8 question answering, 1999)."""
    return hits(ranks, k) / np.maximum(ranks, 1)


def average_precisions(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Σ over hits of precision at the hit's rank / relevant items, float64 [questions]; the mean is MAP@k.

    With one relevant item the sum has one term, 1 / rank: the reciprocal rank.
    """
    return reciprocal_ranks(ranks, k)


def precisions(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """hit / k, float64 [questions]; at most 1 / k. A list that is shorter than k is divided by k as well."""
    return hits(ranks, k) / k


def recalls(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """hit / relevant items, float64 [questions]. With one relevant item it is the hit rate."""
    return hits(ranks, k)


def f1_scores(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """2 P R / (P + R) of each question's precision and recall at k, 0 where both are 0, float64 [questions].

    With one relevant item it is 2 hit / (k + 1).
    """
    precision, recall = precisions(ranks, k), recalls(ranks, k)
    both = precision + recall
    return np.divide(2.0 * precision * recall, both, out=np.zeros_like(both), where=both > 0)


def accuracies(ranks: Ranks, k: int, *, items: int) -> NDArray[np.float64]:
    """(TP + TN) / V = 1 − (k + 1 − 2 hit) / V, float64 [questions], for a catalogue of V = `items`.

    Accuracy belongs to classifiers. For a ranking: the first k are taken for "will take", all other items of
    the catalogue for "will not". A hit gets k − 1 items wrong (the others of the list); a miss gets k + 1
    wrong (the list and the target). With fewer than k items in the catalogue k is V, and no more than V are
    wrong.

    It is of little use. Nearly all items are rightly "will not": with V in the thousands every model is above
    .99, the best and the worst differ by 2 / V, and a list of nothing (1 − 1 / V) beats all of them.
    """
    wrong = np.minimum(min(k, items) + 1.0 - 2.0 * hits(ranks, k), items)
    return 1.0 - wrong / items


METRICS: dict[str, Callable[[Ranks, int], NDArray[np.float64]]] = {
    "hr": hits,
    "ndcg": discounted_gains,
    "mrr": reciprocal_ranks,
    "map": average_precisions,
    "precision": precisions,
    "recall": recalls,
    "f1": f1_scores,
}
"""Those that need nothing but ranks and k, by the names that reports use."""

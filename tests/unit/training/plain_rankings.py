"""What rankings are held against: scores that a slow and plain reading of a formula gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.unit.training.logs import log_of
from training.evaluation.histories import Histories
from training.evaluation.recommender import Recommender
from training.evaluation.user_order import UserOrder
from training.interactions import Interactions


def random_log(*, users: int, items: int, events: int, seed: int, timed: bool = True) -> Interactions:
    """Few items are taken often and most seldom; some more than once by the same user."""
    random = np.random.default_rng(seed)
    item = (items * random.random(events) ** 2).astype(int)
    at = np.sort(random.integers(0, 60 * events, events)) if timed else np.zeros(events, dtype=int)
    return log_of(
        [
            (f"u{user}", f"i{place}", "view", int(second))
            for user, place, second in zip(random.integers(0, users, events), item, at, strict=True)
        ]
    )


def asked(log: Interactions, *, trained: float) -> tuple[Interactions, Histories]:
    """The older part of a log, and the histories before every event of the newer part that has one."""
    training, _ = log.split(1.0 - trained)
    order = UserOrder(log)
    places = np.flatnonzero(order.place >= len(training))
    return training, order.questions(np.setdiff1d(places, order.start[:-1])).histories


def assert_ranks_by(
    recommender: Recommender, histories: Histories, scores: Sequence[Mapping[int, float]], *, k: int
) -> None:
    """The lists hold the k best of the unseen items that score above 0, best first."""
    lists = recommender.recommend(histories, k=k)
    assert lists.shape == (len(histories), k) and lists.dtype == np.int32
    for row, (codes, plain) in enumerate(zip(lists.tolist(), scores, strict=True)):
        seen = set(histories.seen[row].tolist())
        best = sorted(
            (score for item, score in plain.items() if item not in seen and score > 0), reverse=True
        )
        found = [code for code in codes if code >= 0]
        assert len(set(found)) == len(found) and seen.isdisjoint(found)
        assert codes[len(found) :] == [-1] * (k - len(found))
        assert [plain[code] for code in found] == pytest.approx(best[:k], rel=1e-5)

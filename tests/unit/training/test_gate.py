"""Which models may go out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.evaluation.judged import Judged
from training.gate import decide


def _judged(name: str, rate: float, *, events: int = 400) -> Judged:
    return _ranked(name, (np.arange(events) % 100 < rate * 100).astype(np.int64))


def _ranked(name: str, rank: NDArray[np.int64]) -> Judged:
    questions = np.arange(len(rank))
    lists = np.full((len(rank), 10), -1, dtype=np.int32)
    return Judged(name=name, user=(questions % 40).astype(np.int32), rank=rank, lists=lists, chosen=questions)


POPULARITY = _judged("popularity", 0.1)


def test_better_than_both_passes_with_the_figures() -> None:
    decision = decide(_judged("new", 0.3), current=_judged("old", 0.2), popularity=[POPULARITY])
    assert decision.passed
    assert decision.reason == "hr@10 0.3000, popularity 0.1000, current old 0.2000, over 400 events"


def test_no_better_than_any_popularity_is_refused() -> None:
    weak, strong = _judged("popularity", 0.1), _judged("popularity-30d", 0.3)
    decision = decide(_judged("new", 0.3), current=None, popularity=[weak, strong])
    assert not decision.passed
    assert decision.reason.startswith("not better than popularity-30d")


def test_surely_worse_than_the_current_model_is_refused() -> None:
    decision = decide(_judged("new", 0.2), current=_judged("old", 0.6), popularity=[POPULARITY])
    assert not decision.passed
    assert decision.reason.startswith("worse than old by -0.")


def test_a_difference_that_may_be_chance_passes() -> None:
    new, old = _judged("new", 0.3), _judged("old", 0.3)
    rank = old.rank.copy()
    rank[np.flatnonzero(rank == 0)[0]] = 1  # one hit more
    assert decide(new, current=_ranked("old", rank), popularity=[POPULARITY]).passed


def test_too_few_events_decide_nothing() -> None:
    decision = decide(
        _judged("new", 0.9, events=29), current=None, popularity=[_judged("popularity", 0.0, events=29)]
    )
    assert not decision.passed
    assert decision.reason == "only 29 events to judge by; at least 30 are needed"

"""Fitting, asking, and keeping what was answered."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.training.logs import histories_of, log_of, successors
from training.dataset import HistoryRules
from training.evaluation.drawing import draw_unseen, ranks_among
from training.evaluation.histories import Histories
from training.evaluation.judging import judge
from training.evaluation.plan import Questions
from training.evaluation.protocols.leave_one_out import leave_one_out
from training.evaluation.protocols.prequential import prequential
from training.evaluation.protocols.temporal import temporal
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions


class Catalogue:
    """Recommends the catalogue in its order, whatever was seen; what it is asked can be made slow."""

    name = "catalogue"

    def __init__(self, *, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s

    def fit(self, training: Interactions) -> None:
        self._items = len(training.items)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        time.sleep(self._pause_s)
        codes = np.arange(k, dtype=np.int32)
        return np.tile(np.where(codes < self._items, codes, -1), (len(histories), 1)).astype(np.int32)


class Oracle(Catalogue):
    """Says of an item how probable it is by its code, and rates it by its code."""

    name = "oracle"

    def probabilities(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.float64]:
        return items / self._items

    def ratings(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float64]:
        return item.astype(np.float64)


class Unable(Catalogue):
    name = "unable"

    def fit(self, training: Interactions) -> None:
        raise NotApplicable("it has no hands")


def _questions(log: Interactions, histories: list[str], targets: str) -> Questions:
    codes = np.array([log.items.index(item) for item in targets], dtype=np.int32)
    places = np.arange(len(targets))
    return Questions(histories=histories_of(log, *histories), target=codes, place=places, given_at=places)


def test_what_cannot_do_it_is_told_and_the_others_go_on() -> None:
    said: list[str] = []
    _, (unable, able) = judge(
        leave_one_out(successors(users=3, events=4, items=6)), [Unable(), Catalogue()], k=2, say=said.append
    )
    assert (unable.not_applicable, len(unable.rank)) == ("it has no hands", 0)
    assert (able.not_applicable, len(able.rank)) == (None, 3)
    assert said == ["unable: n/a, it has no hands"]


def test_facts_of_the_questions_are_those_of_what_was_learnt() -> None:
    log = log_of([(user, item, "view", 0) for user, item in ("ua", "ub", "ua", "uc", "vb", "vc", "vd")])
    asked, _ = judge(leave_one_out(log), [], k=1)
    # Learnt: u a, u b, v b.
    assert asked.target.tolist() == [log.items.index("c"), log.items.index("d")]
    assert (asked.user_count.tolist(), asked.item_count.tolist()) == ([2, 1], [0, 0])
    assert asked.history_length.tolist() == [3, 2]
    np.testing.assert_allclose(asked.history_popularity, [(1 + 2 + 1) / 3, (2 + 0) / 2])


def test_one_that_is_too_slow_gets_a_sample_of_whole_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.contestant._MEASURED_S", 0.001)
    log = successors(users=60, events=80, items=90)
    plan = prequential(log, newest=0.5, rules=HistoryRules())
    asked, (slow, fast) = judge(plan, [Catalogue(pause_s=0.2), Catalogue()], k=5, time_limit_s=0.5)
    assert fast.sample is None and len(fast.chosen) == len(asked.user) == 2400
    assert slow.sample is not None and 0 < slow.sample < 1
    kept = set(slow.user.tolist())
    assert 0 < len(kept) < 60
    # Every question of a user in the sample, and none of another, those asked before it was drawn included.
    assert slow.chosen.tolist() == np.flatnonzero(np.isin(asked.user, list(kept))).tolist()


def test_a_rater_is_asked_where_every_type_is_a_target_and_a_probability_for_two_items() -> None:
    log = successors(users=5, events=6, items=30)
    rated = replace(log, rating=np.ones(len(log), dtype=np.float32))
    asked, (judged,) = judge(leave_one_out(rated), [Oracle()], k=3)
    assert judged.ratings is not None and sorted(judged.ratings[:, 0]) == sorted(asked.target)
    assert set(judged.ratings[:, 1]) == {1.0}
    assert judged.probabilities is not None and judged.probabilities.shape == (5, 2)
    np.testing.assert_allclose(judged.probabilities[:, 0], asked.target / len(log.items))
    _, (moving,) = judge(prequential(rated, newest=0.5, rules=HistoryRules()), [Oracle()], k=3)
    assert moving.ratings is None


def test_ratings_are_predicted_for_every_tested_row_that_has_one() -> None:
    """The first event of a user who is new has no history, and so no list, but it has a rating."""
    events = [(f"u{n % 9}", f"i{n}", "view", n) for n in range(90)] + [("new", "i0", "view", 90)]
    log = log_of(events)
    rating = np.ones(len(log), dtype=np.float32)
    rating[-2] = np.nan
    plan = temporal(replace(log, rating=rating))
    asked, (judged,) = judge(plan, [Oracle()], k=3)
    assert len(asked.user) < 10 and asked.skipped["no history"] == 1
    assert judged.ratings is not None
    assert judged.ratings[:, 0].tolist() == log.item[[*range(82, 89), 90]].tolist()


def test_the_time_that_is_left_is_that_of_all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.contestant._MEASURED_S", 0.001)
    log = successors(users=60, events=80, items=90)
    plan = prequential(log, newest=0.5, rules=HistoryRules(), fits=10)
    _, (slow,) = judge(plan, [Catalogue(pause_s=0.1)], k=5, time_limit_s=0.25)
    # A block a round: ten times 0.1 s. Seen round by round the limit would never have been near.
    assert slow.sample is not None and slow.sample < 0.5


def test_drawn_items_are_new_distinct_and_the_same_each_time() -> None:
    log = log_of([("u", item, "view", 0) for item in "abcdefghijklmnop"])
    questions = _questions(log, ["abcd", "p"], "ef")
    drawn = draw_unseen(questions, items=16, count=9, seed=4)
    for row, (history, target) in enumerate(zip(["abcd", "p"], "ef", strict=True)):
        found = {log.items[code] for code in drawn[row]}
        assert len(found) == 9 and not found & {*history, target}
    assert drawn.tolist() == draw_unseen(questions, items=16, count=9, seed=4).tolist()
    assert drawn.tolist() != draw_unseen(questions, items=16, count=9, seed=5).tolist()


def test_who_has_seen_nearly_everything_gets_what_is_left() -> None:
    log = log_of([("u", item, "view", 0) for item in "abcd"])
    (row,) = draw_unseen(_questions(log, ["ab"], "c"), items=4, count=3, seed=0)
    assert row.tolist() == [3, -1, -1]


def test_a_sampled_rank_counts_the_drawn_items_that_stand_before_the_target() -> None:
    lists = np.array([[4, 2, 0, 1], [4, 2, -1, -1], [3, 2, 1, 0]], dtype=np.int32)
    targets = np.array([0, 2, 4], dtype=np.int32)
    drawn = np.array([[1, 2, 3], [0, 1, -1], [0, 1, 2]], dtype=np.int32)
    # 2 stands before 0; nothing before 2; 4 is not listed.
    assert ranks_among(lists, targets, drawn, items=5).tolist() == [2, 1, 0]


def test_with_drawn_items_the_rank_is_among_them_alone() -> None:
    log = successors(users=30, events=5, items=60)
    _, (full,) = judge(leave_one_out(log), [Catalogue()], k=60)
    _, (sampled,) = judge(leave_one_out(log), [Catalogue()], k=10, sampled=5)
    assert (sampled.rank >= 1).all() and (sampled.rank <= 6).all()
    assert (sampled.rank <= full.rank).all() and sampled.rank.mean() < full.rank.mean() / 5
    assert sampled.lists.shape == (30, 0)

"""Test, then learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from tests.unit.training.logs import log_of
from training.dataset import HistoryRules
from training.errors import NothingToJudge
from training.evaluation.histories import Histories
from training.evaluation.judged import Asked, Judged
from training.evaluation.judging import judge
from training.evaluation.protocols.prequential import prequential, prequential_from
from training.evaluation.recommender import Recommender
from training.evaluation.served import ServedModel
from training.interactions import Interactions

RULES = HistoryRules(max_length=4, history_limit=3)
K = 100


class Successor:
    """Ranks the row after the newest one first, then the next; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[ModelInputs] = []

    def score(self, inputs: ModelInputs) -> Ranked:
        self.asked.append(inputs)
        ids = inputs.item_ids[:, -1:] + np.arange(1, K + 1, dtype=np.int32)
        ids[ids > 8] = 0
        return Ranked(ids, np.zeros(ids.shape, np.float32), np.zeros(inputs.item_ids.shape, np.float32))


class Watcher:
    """Writes down what it could have known at each question: events learnt, events of the history."""

    name = "watcher"

    def __init__(self) -> None:
        self.learnt = 0
        self.fits: list[int] = []
        self.questions: list[tuple[int, int]] = []

    def fit(self, training: Interactions) -> None:
        self.learnt = len(training)
        self.fits.append(len(training))

    def learn(self, events: Interactions) -> None:
        self.learnt += len(events)

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        self.questions += [(self.learnt, int(length)) for length in histories.item.lengths]
        return np.full((len(histories), k), -1, dtype=np.int32)


def _model(scorer: Successor) -> ServedModel:
    return ServedModel(name="successor", scorer=scorer, vocabulary=Vocabulary("abcdefgh"), max_length=4)


def _judge(
    log: Interactions, recommender: Recommender, *, first: int, seen_all: bool = False
) -> tuple[Asked, Judged]:
    plan = prequential_from(log, first=first, rules=RULES, seen_all=seen_all)
    asked, (judged,) = judge(plan, [recommender], k=K)
    return asked, judged


def test_each_event_is_judged_by_the_history_before_it() -> None:
    log = log_of(
        [("u", "a", "view", 0), ("u", "b", "view", 10), ("v", "c", "view", 15), ("u", "d", "like", 30)]
    )
    scorer = Successor()
    asked, judged = _judge(log, _model(scorer), first=1)
    assert judged.rank.tolist() == [1, 2]  # b after a; d is the second after b
    assert judged.user.tolist() == [0, 0]
    assert asked.skipped == {"no history": 1}  # v's first
    assert asked.place.tolist() == [1, 3]
    # Now is the moment of the event before, not of the one to come.
    assert scorer.asked[0].time_deltas[1].tolist() == [0, 0, 10, 0]


def test_what_is_not_judged_is_counted_by_reason() -> None:
    log = log_of(
        [
            ("u", "a", "view", 0),
            ("u", "b", "dislike", 1),
            ("u", "a", "view", 2),
            ("w", "a", "view", 3),
            ("u", "c", "view", 4),
        ]
    )
    asked, judged = _judge(log, _model(Successor()), first=1)
    assert asked.skipped == {"not positive": 1, "seen before": 1, "no history": 1}
    assert len(judged.rank) == 1


def test_an_item_that_left_the_window_counts_again() -> None:
    log = log_of([("u", item, "view", place) for place, item in enumerate("abcda")])
    _, judged = _judge(log, _model(Successor()), first=4)
    assert len(judged.rank) == 1  # N = 3: a is forgotten


def test_with_all_seen_it_does_not_count_again_and_is_not_recommended() -> None:
    log = log_of([("u", item, "view", place) for place, item in enumerate("abcdaf")])
    scorer = Successor()
    asked, _ = _judge(log, _model(scorer), first=4, seen_all=True)
    assert (asked.skipped, asked.place.tolist()) == ({"seen before": 1}, [5])
    excluded = scorer.asked[0].exclude_ids[0]
    assert set(excluded[excluded > 0].tolist()) == {1, 2, 3, 4}


def test_an_item_that_the_model_does_not_know_is_a_miss() -> None:
    log = log_of([("u", "a", "view", 0), ("u", "z", "view", 1)])
    _, judged = _judge(log, _model(Successor()), first=1)
    assert judged.rank.tolist() == [0]


def test_an_item_of_the_model_that_the_log_lacks_keeps_its_place() -> None:
    log = log_of([("u", "a", "view", 0), ("u", "c", "view", 1)])
    _, judged = _judge(log, _model(Successor()), first=1)
    assert judged.rank.tolist() == [2]
    assert judged.lists[0, :3].tolist() == [-1, 1, -1]


def test_what_learns_knows_all_up_to_the_event_that_the_list_is_given_at() -> None:
    log = log_of([(user, "abcdef"[place], "view", place) for place, user in enumerate("uvuvvu")])
    watcher = Watcher()
    asked, _ = _judge(log, watcher, first=2)
    # u is asked for c and f, v for d and e: by the lists given at a (the fit knows two events), c, b, d.
    assert asked.place.tolist() == [2, 3, 5, 4]
    assert watcher.questions == [(2, 1), (2, 1), (3, 2), (4, 2)]


def test_it_learns_what_is_not_judged_too() -> None:
    log = log_of(
        [
            ("u", "a", "view", 0),
            ("u", "b", "dislike", 1),
            ("v", "b", "view", 2),
            ("u", "d", "view", 3),
            ("u", "c", "view", 4),
        ]
    )
    watcher = Watcher()
    _judge(log, watcher, first=1)
    assert watcher.questions == [(2, 2), (4, 3)]


def test_models_are_fitted_at_the_first_event_of_each_equal_part() -> None:
    log = log_of([("u", "abcdefgh"[place % 8], "view", place) for place in range(20)])
    watcher = Watcher()
    plan = prequential(log, newest=0.5, rules=RULES, fits=5)
    asked, _ = judge(plan, [watcher], k=1)
    assert watcher.fits == [10, 12, 14, 16, 18]
    assert asked.place.tolist() == list(range(10, 20))
    assert [learnt for learnt, _ in watcher.questions] == list(range(10, 20))
    assert plan.retrained_at_ms == tuple(log.timestamp_ms[[10, 12, 14, 16, 18]].tolist())


def test_a_list_is_by_the_last_fit_before_it() -> None:
    """v's list is given in the first part, and judged in the second."""
    log = log_of([(user, "abcdefgh"[place], "view", place) for place, user in enumerate("uvuvuuuv")])
    plan = prequential_from(log, first=2, rules=RULES, fits=2)
    by_round = [[place for block in round_.questions for place in block.place] for round_ in plan.rounds]
    assert by_round == [[2, 3, 4, 7, 5], [6]]


@pytest.mark.parametrize("first", [0, 4])
def test_nothing_to_test_or_nothing_before_it_is_said(first: int) -> None:
    log = log_of([("u", item, "view", place) for place, item in enumerate("abcd")])
    with pytest.raises(NothingToJudge, match="4 events leave"):
        prequential_from(log, first=first, rules=RULES)

"""Test, then learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.decoding import Interaction
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.history import entries
from stream_app.domain.ranking import Ranked
from tests.unit.training.logs import log_of
from training.dataset import HistoryRules
from training.evaluation.prequential import prequential
from training.evaluation.recommender import FrozenModel
from training.evaluation.report import as_text, rows
from training.rivals.popularity import Popularity

RULES = HistoryRules(max_length=4, history_limit=3)
K = 100


class Successor:
    """Ranks the row after the newest one first, then the next; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[ModelInputs] = []

    def score(self, inputs: ModelInputs) -> Ranked:
        self.asked.append(inputs)
        ids = inputs.item_ids[:, -1:] + np.arange(1, K + 1, dtype=np.int32)
        return Ranked(ids, np.zeros(ids.shape, np.float32), np.zeros(inputs.item_ids.shape, np.float32))


class Watcher:
    """A rival that writes down what it could have known at each question."""

    name = "watcher"

    def __init__(self) -> None:
        self.learnt = 0
        self.questions: list[tuple[int, int]] = []

    def learn(self, event: Interaction) -> None:
        self.learnt += 1

    def recommend(self, record: bytes, *, k: int) -> Sequence[int]:
        self.questions.append((self.learnt, len(list(entries(record)))))
        return []


def _model(scorer: Successor) -> FrozenModel:
    return FrozenModel(name="successor", scorer=scorer, vocabulary=Vocabulary("abcdefgh"), max_length=4)


def test_each_event_is_judged_by_the_history_before_it() -> None:
    log = log_of(
        [("u", "a", "view", 0), ("u", "b", "view", 10), ("v", "c", "view", 15), ("u", "d", "like", 30)]
    )
    scorer = Successor()
    (judged,) = prequential(log, first=1, rules=RULES, models=[_model(scorer)])
    assert judged.rank.tolist() == [1, 2]  # b after a; d is the second after b
    assert judged.user.tolist() == [0, 0]
    assert judged.skipped == {"no history": 1}  # v's first
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
    (judged,) = prequential(log, first=1, rules=RULES, models=[_model(Successor())])
    assert judged.skipped == {"not positive": 1, "seen before": 1, "no history": 1}
    assert len(judged.rank) == 1


def test_an_item_that_left_the_window_counts_again() -> None:
    log = log_of([("u", item, "view", place) for place, item in enumerate("abcda")])
    (judged,) = prequential(log, first=4, rules=RULES, models=[_model(Successor())])
    assert len(judged.rank) == 1  # N = 3: a is forgotten


def test_an_item_that_the_model_does_not_know_is_a_miss() -> None:
    log = log_of([("u", "a", "view", 0), ("u", "z", "view", 1)])
    (judged,) = prequential(log, first=1, rules=RULES, models=[_model(Successor())])
    assert judged.rank.tolist() == [0]


def test_rivals_are_asked_before_they_learn() -> None:
    log = log_of(
        [(user, item, "view", place) for place, (user, item) in enumerate(zip("uvuv", "abcd", strict=True))]
    )
    watcher = Watcher()
    prequential(log, first=2, rules=RULES, rivals=[watcher])
    assert watcher.questions == [(2, 1), (3, 1)]


def test_rows_of_a_report_have_every_metric_with_its_interval() -> None:
    log = log_of([("u", item, "view", place) for place, item in enumerate("abcabdab")])
    judged = prequential(log, first=2, rules=RULES, models=[_model(Successor())], rivals=[Popularity()])
    table = rows(judged, protocol="prequential", ks=[1, 10])
    assert [row["model"] for row in table] == ["successor", "popularity"]
    assert set(table[0]["metrics"]) == {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (1, 10)}
    assert set(table[0]["metrics"]["hr@10"]) == {"value", "low", "high"}
    assert table[0]["users"] == 1 and table[0]["events"] == len(judged[0].rank)
    assert "successor" in as_text(table) and "hr@10" in as_text(table)

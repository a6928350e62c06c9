"""Who is asked what, after learning from what: leave-one-out, temporal, k-fold."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.logs import log_of, rows_of
from training.dataset import HistoryRules
from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Questions
from training.evaluation.planning import PROTOCOLS, ProtocolConfig, prepare
from training.evaluation.protocols.k_fold import k_fold
from training.evaluation.protocols.leave_one_out import leave_one_out
from training.evaluation.protocols.probe import probe
from training.evaluation.protocols.temporal import temporal
from training.interactions import Interactions

Event = tuple[str, str, str, int]


def _log(text: str, *, at: list[int] | None = None) -> Interactions:
    """ "ua ub vc": user u took a, then b; user v took c. Times are the places, unless `at` gives them."""
    pairs = text.split()
    moments = at or list(range(len(pairs)))
    return log_of([(pair[0], pair[1], "view", moment) for pair, moment in zip(pairs, moments, strict=True)])


def _asked(plan: Plan) -> list[tuple[str, str, str]]:
    """User, history and target of every question, in all rounds."""
    found = []
    for round_ in plan.rounds:
        for questions in round_.questions:
            found += _said(plan.log, questions)
    return found


def _said(log: Interactions, questions: Questions) -> list[tuple[str, str, str]]:
    histories = questions.histories
    return [
        (
            log.users[histories.user[row]],
            "".join(log.items[code] for code in histories.item[row]),
            log.items[questions.target[row]],
        )
        for row in range(len(histories))
    ]


def test_leave_one_out_asks_for_the_last_and_learns_neither_it_nor_the_one_before() -> None:
    log = _log("ua va ub uc vb ud vc")
    plan = leave_one_out(log)
    round_ = next(plan.rounds)
    assert [pair[:2] for pair in rows_of(round_.training)] == [("u", "a"), ("v", "a"), ("u", "b")]
    assert [pair[:2] for pair in rows_of(log.rows(round_.validated))] == [("u", "c"), ("v", "b")]
    (questions,) = round_.questions
    assert _said(log, questions) == [("u", "abc", "d"), ("v", "ab", "c")]
    assert questions.histories.now_ms.tolist() == log.timestamp_ms[[3, 4]].tolist()


def test_leave_one_out_learns_users_with_fewer_than_three_events_whole() -> None:
    plan = leave_one_out(_log("ua ub uc va vb"))
    round_ = next(plan.rounds)
    assert [pair[0] for pair in rows_of(round_.training)] == ["u", "v", "v"]
    assert round_.skipped["users with fewer than three events"] == 1


def test_an_item_that_its_user_took_before_is_not_asked_for() -> None:
    plan = leave_one_out(_log("ua ub ua va vb vc"))
    round_ = next(plan.rounds)
    assert [said[0] for questions in round_.questions for said in _said(plan.log, questions)] == ["v"]
    assert round_.skipped["seen before"] == 1


def test_temporal_learns_what_is_not_after_the_cut_less_its_newest_tenth() -> None:
    # 100 events, one a second: cut at 89.1, learnt until 80.1.
    log = log_of([(f"u{place % 7}", f"i{place}", "view", place) for place in range(100)])
    round_ = next(temporal(log).rounds)
    assert len(round_.training) == 81
    assert np.flatnonzero(round_.validated).tolist() == list(range(81, 90))
    (questions,) = round_.questions
    assert questions.place.tolist() != [] and sorted(questions.place.tolist()) == list(range(90, 100))
    with_validation = next(temporal(log, with_validation=True).rounds)
    assert len(with_validation.training) == 90 and not np.any(with_validation.validated)


def test_temporal_histories_grow_with_the_tests_before() -> None:
    at = [0] * 18 + [100, 101]
    log = _log("ua va " + "wz " * 16 + "ub uc", at=at)
    assert _asked(temporal(log)) == [("u", "a", "b"), ("u", "ab", "c")]


def test_temporal_users_without_history_start_at_their_second_event() -> None:
    at = [0] * 18 + [100, 101]
    plan = temporal(_log("ua va " + "wz " * 16 + "xb xc", at=at))
    round_ = next(plan.rounds)
    assert [said for questions in round_.questions for said in _said(plan.log, questions)] == [
        ("x", "b", "c")
    ]
    assert round_.skipped["no history"] == 1


def test_k_fold_asks_every_user_once_and_never_learns_from_the_asked() -> None:
    log = _log(" ".join(f"{user}{item}" for item in "abc" for user in "qrstuvw"))
    users = []
    for round_ in k_fold(log, folds=3, seed=1).rounds:
        learnt = {pair[0] for pair in rows_of(round_.training)}
        asked = [said for questions in round_.questions for said in _said(log, questions)]
        assert {said[1:] for said in asked} == {("ab", "c")}
        assert not learnt & {said[0] for said in asked}
        assert len(learnt) + len(asked) == 7
        users += [said[0] for said in asked]
    assert sorted(users) == list("qrstuvw")


def test_k_fold_deals_the_users_by_the_seed() -> None:
    log = _log(" ".join(f"{user}{item}" for item in "abc" for user in "abcdefghijklmnop"))
    orders = [[said[0] for said in _asked(k_fold(log, folds=2, seed=seed))] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("config", "log", "said"),
    [
        (ProtocolConfig(protocol="leave-one-out"), _log("ua ub va vb"), "no user has 3 events"),
        (ProtocolConfig(protocol="leave-one-out"), _log("ua ub ua va vb va"), "took before"),
        (ProtocolConfig(protocol="k-fold", folds=2), _log("ua ua va va"), "took before"),
        (ProtocolConfig(newest=0.5), _log("ua ua ua ua"), r"can be judged \(2 seen before\)"),
        (ProtocolConfig(protocol="temporal", core=1), _log("ua ub uc", at=[0, 0, 0]), "all events have one"),
        (ProtocolConfig(protocol="temporal", core=1), _log("ua va wa"), "nobody with a history comes back"),
        (ProtocolConfig(protocol="temporal"), _log("ua ub uc"), "no user and item have 5 events"),
        (ProtocolConfig(protocol="k-fold"), _log("ua ub va vb"), "2 users with two events are too few for 5"),
        (ProtocolConfig(protocol="prequential"), _log("ua"), "1 events leave"),
        (ProtocolConfig(least_history=4), _log("ua ub uc"), "no user has 4 events"),
    ],
)
def test_too_small_a_log_is_one_line(config: ProtocolConfig, log: Interactions, said: str) -> None:
    with pytest.raises(NothingToJudge, match=said):
        prepare(log, config, rules=HistoryRules())


def test_filters_are_told_and_leave_no_code_without_events() -> None:
    sparse = "ua ub uc va vb vc wa wb wc xa xz yq"
    prepared = prepare(
        _log(sparse), ProtocolConfig(protocol="leave-one-out", core=3, least_history=2), rules=HistoryRules()
    )
    log = prepared.plan.log
    assert (log.users, log.items) == (("u", "v", "w"), ("a", "b", "c"))
    assert [pair[:2] for pair in rows_of(log)] == [tuple(pair) for pair in sparse.split()[:9]]
    assert prepared.filters == (
        "2 events a user: 4 users, 4 items, 11 interactions left",
        "3-core: 3 users, 3 items, 9 interactions left",
    )


def test_the_probe_is_taken_out_of_what_is_learnt_and_asked_for() -> None:
    log = _log("ua ub va uc vb vc")
    pairs = pl.DataFrame(
        [("u", "b"), ("v", "c"), ("v", "a"), ("w", "a"), ("u", "q")], ["user_id", "item_id"], orient="row"
    )
    plan = probe(log, pairs)
    round_ = next(plan.rounds)
    assert [pair[:2] for pair in rows_of(round_.training)] == [("u", "a"), ("u", "c"), ("v", "b")]
    asked = [said for questions in round_.questions for said in _said(log, questions)]
    assert asked == [("u", "a", "b"), ("v", "ab", "c")]
    assert round_.skipped == {"pairs that are not in the log": 2, "no history": 1, "seen before": 0}


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from("uvwx"), st.sampled_from("abcdefg"), st.sampled_from(["view", "like", "dislike"]),
            st.integers(0, 50),
        ),
        min_size=1,
        max_size=60,
    ),
    protocol=st.sampled_from(PROTOCOLS),
    held_out=st.sets(st.tuples(st.sampled_from("uvwx"), st.sampled_from("abcdefg")), max_size=9),
)  # fmt: skip
def test_no_protocol_lets_a_question_know_its_answer(
    events: list[Event], protocol: str, held_out: set[tuple[str, str]]
) -> None:
    """Histories hold only what came before, of the same user; no target is learnt from or was seen."""
    log = log_of(sorted(events, key=lambda event: event[3]))
    try:
        pairs = pl.DataFrame(sorted(held_out), {"user_id": pl.String, "item_id": pl.String}, orient="row")
        config = ProtocolConfig(protocol=protocol, core=1, folds=2, held_out=pairs)
        prepared = prepare(log, config, rules=HistoryRules())
    except NothingToJudge:
        return
    plan = prepared.plan
    for round_ in plan.rounds:
        learnt = np.zeros(len(log), dtype=bool)
        learnt[round_.learnt] = True
        for questions in round_.questions:
            for row, place in enumerate(questions.place.tolist()):
                assert not learnt[place]
                before = np.flatnonzero(log.user[:place] == log.user[place])
                history = questions.histories.item[row].tolist()
                assert history == log.item[before].tolist()
                assert questions.target[row] == log.item[place] and questions.target[row] not in history

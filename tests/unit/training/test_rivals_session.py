"""What came in sessions like this one."""

from __future__ import annotations

from math import log as ln

import numpy as np
import pytest

from tests.unit.training.logs import histories_of, log_of, names_of
from tests.unit.training.plain_rankings import asked, assert_ranks_by, random_log
from training.evaluation.histories import Histories
from training.interactions import Interactions
from training.rivals.session_knn import SessionKNN
from training.rivals.sessions import going_on, sessions_of

MINUTE_MS = 60_000


def _log(*sessions: tuple[str, str, int]) -> Interactions:
    """Sessions of (user, items, start in seconds), the events a second apart."""
    return log_of(
        [
            (user, item, "view", start + place)
            for user, items, start in sessions
            for place, item in enumerate(items)
        ]
    )


def _told(
    rival: SessionKNN, log: Interactions, *histories: str, k: int = 9, user: int = 99
) -> list[list[str]]:
    rival.fit(log)
    return names_of(log, rival.recommend(histories_of(log, *histories, users=[user] * len(histories)), k=k))


def _plain(
    training: Interactions,
    histories: Histories,
    *,
    gap_ms: int | None,
    neighbours: int,
    recent: int,
    last: int,
) -> list[dict[int, float]]:
    sessions: list[tuple[int, int, int, set[int]]] = []  # newest time, place of the last event, user, items
    current: dict[int, int] = {}
    newest: dict[int, int] = {}
    columns = zip(training.user.tolist(), training.item.tolist(), training.timestamp_ms.tolist(), strict=True)
    for place, (user, item, at) in enumerate(columns):
        if user not in current or (gap_ms is not None and at - newest[user] > gap_ms):
            current[user] = len(sessions)
            sessions.append((at, place, user, set()))
        newest[user] = at
        latest, _, _, items = sessions[current[user]]
        sessions[current[user]] = (max(latest, at), place, user, items | {item})
    sessions.sort(key=lambda session: session[:2], reverse=True)
    holders = {item: sum(item in items for *_, items in sessions) for item in set(training.item.tolist())}
    scores = []
    for row, user in enumerate(histories.user.tolist()):
        history, times = histories.item[row].tolist(), histories.timestamp_ms[_slice(histories, row)].tolist()
        begin = 0
        for place in range(1, len(history)):
            if gap_ms is not None and times[place] - times[place - 1] > gap_ms:
                begin = place
        evolving = history[begin:][-last:]
        position = {item: place for place, item in enumerate(evolving, start=1)}
        near = [session for session in sessions if session[3] & set(evolving)][:recent]
        near = [session for session in near if session[2] != user]
        near.sort(key=lambda session: -sum(position.get(item, 0) for item in session[3]))
        row_scores: dict[int, float] = {}
        for *_, items in near[:neighbours]:
            shared = [position[item] for item in items if item in position]
            gained = sum(shared) / (len(evolving) + 1 - max(shared))
            for item in items:
                weight = 1 + ln(len(sessions) / holders[item])
                row_scores[item] = row_scores.get(item, 0.0) + gained * weight
        scores.append(row_scores)
    return scores


def _slice(histories: Histories, row: int) -> slice:
    return slice(int(histories.item.start[row]), int(histories.item.start[row + 1]))


def test_the_session_that_shares_the_last_item_counts_more() -> None:
    log = _log(("s", "ax", 0), ("t", "by", 10))
    # After a, b: t has r = 2 and d = 1, s has r = 1 and d = 2; x and y are held by one session each.
    assert _told(SessionKNN(), log, "ab", "ba") == [["y", "x"], ["x", "y"]]


def test_of_equal_sessions_what_is_rare_comes_first() -> None:
    log = _log(("s", "ax", 0), ("t", "ay", 10), ("u", "y", 20))
    # x is held by one session of three, y by two: 1 + ln 3 above 1 + ln 1.5.
    assert _told(SessionKNN(), log, "a") == [["x", "y"]]
    assert _told(SessionKNN(idf_weight=0.0), log, "a") == [["x", "y"]]  # equal: the first in the log
    swapped = _log(("s", "ay", 0), ("t", "ax", 10), ("u", "y", 20))
    assert _told(SessionKNN(), swapped, "a") == [["x", "y"]]
    assert _told(SessionKNN(idf_weight=0.0), swapped, "a") == [["y", "x"]]


def test_only_the_newest_sessions_are_looked_at_and_of_equal_ones_the_newer() -> None:
    log = _log(("s", "ax", 0), ("t", "ay", 10), ("u", "az", 20))
    assert _told(SessionKNN(recent=2), log, "a") == [["y", "z"]]
    assert _told(SessionKNN(neighbours=1), log, "a") == [["z"]]


def test_where_all_is_at_one_moment_the_later_in_the_log_is_the_newer() -> None:
    log = log_of([(user, item, "view", 0) for user, item in ("sa", "ta", "ty", "sx")])
    assert not log.has_times
    assert _told(SessionKNN(recent=1), log, "a") == [["x"]]


def test_only_the_last_items_of_the_session_are_asked_for() -> None:
    log = _log(("s", "ax", 0), ("t", "by", 10))
    assert _told(SessionKNN(last=1), log, "ab") == [["y"]]


def test_of_an_item_that_occurs_twice_the_last_time_counts() -> None:
    log = _log(("s", "ax", 0), ("t", "by", 10))
    assert _told(SessionKNN(), log, "bab", "aba") == [["y", "x"], ["x", "y"]]


def test_a_gap_cuts_the_log_and_the_history() -> None:
    log = _log(("s", "ab", 0), ("s", "cx", 100), ("t", "q", 200))
    holds, owner = sessions_of(log, gap_ms=MINUTE_MS)
    assert (holds.toarray() > 0).tolist() == [
        [False, False, False, False, True],
        [False, False, True, True, False],
        [True, True, False, False, False],
    ]
    assert owner.tolist() == [1, 0, 0]
    whole, whole_owner = sessions_of(log, gap_ms=None)
    assert whole.sum(axis=1).tolist() == [1, 4] and whole_owner.tolist() == [1, 0]
    # A gap of exactly so much is none: from b at 1 s to c at 100 s.
    assert sessions_of(log, gap_ms=99_000)[0].shape[0] == 2
    assert _told(SessionKNN(gap_ms=MINUTE_MS), log, "a", "c") == [["b"], ["x"]]


def test_the_session_going_on_begins_after_the_last_gap() -> None:
    log = _log(("s", "abc", 0), ("s", "dab", 100), ("t", "a", 0), ("t", "b", 100))
    _, histories = asked(log, trained=0.0)
    cut = [
        "".join(log.items[code] for code in going_on(histories, gap_ms=MINUTE_MS, last=2)[row])
        for row in range(len(histories))
    ]
    assert cut == ["a", "ab", "bc", "d", "da", "a"]


def test_a_users_own_sessions_are_no_neighbours() -> None:
    log = _log(("s", "ax", 0), ("t", "ay", 10))
    assert _told(SessionKNN(), log, "a", user=0) == [["y"]]
    assert _told(SessionKNN(), log, "a", user=1) == [["x"]]


@pytest.mark.parametrize("gap_ms", [None, 5 * MINUTE_MS])
@pytest.mark.parametrize(
    ("neighbours", "recent", "last"), [(500, 1000, 5), (3, 6, 4), (1, 2, 500), (4, 1000, 1)]
)
@pytest.mark.parametrize("timed", [True, False])
def test_it_is_what_the_formula_says(
    gap_ms: int | None, neighbours: int, recent: int, last: int, timed: bool
) -> None:
    log = random_log(users=20, items=30, events=260, seed=neighbours, timed=timed)
    training, histories = asked(log, trained=0.7)
    rival = SessionKNN(neighbours=neighbours, recent=recent, last=last, gap_ms=gap_ms)
    rival.fit(training)
    scores = _plain(training, histories, gap_ms=gap_ms, neighbours=neighbours, recent=recent, last=last)
    assert_ranks_by(rival, histories, scores, k=5)


def test_long_sessions_are_matched_at_their_last_item_exactly() -> None:
    items = [f"i{place}" for place in range(500)]
    log = log_of(
        [("s", item, "view", 0) for item in [*items, "x"]]
        + [("t", items[0], "view", 1), ("t", "y", "view", 1)]
    )
    rival = SessionKNN(last=500)
    rival.fit(log)
    # s shares all: r = 125,250 and d = 1; t the first alone: r = 1 and d = 500.
    history = histories_of(log, items, users=[99])
    assert names_of(log, rival.recommend(history, k=3)) == [["x", "y"]]


@pytest.mark.parametrize("last", [0, 501])
def test_more_items_than_can_be_weighed_are_refused(last: int) -> None:
    with pytest.raises(ValueError, match="1 to 500"):
        SessionKNN(last=last)


def test_nothing_in_common_one_item_and_nobody_are_no_errors() -> None:
    log = _log(("s", "ab", 0), ("t", "z", 5))
    assert _told(SessionKNN(), log, "z") == [[]]
    assert _told(SessionKNN(), log) == []
    assert _told(SessionKNN(), _log(("s", "a", 0)), "a") == [[]]
    rival = SessionKNN()
    rival.fit(log.part(0, 0))
    assert (rival.recommend(histories_of(log, "ab"), k=2) == np.int32(-1)).all()


def test_what_was_seen_before_the_window_is_not_recommended() -> None:
    log = _log(("s", "abcd", 0), ("t", "abcd", 9), ("u", "a", 20))
    rival = SessionKNN()
    rival.fit(log)
    told = rival.recommend(histories_of(log, "a", users=[2], earlier=["c"]), k=10)
    assert names_of(log, told) == [["b", "d"]]

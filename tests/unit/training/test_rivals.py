"""What a model must beat at the least: popularity and chance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.logs import histories_of, log_of, names_of
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions
from training.rivals.popularity import Popularity
from training.rivals.random import Random

DAY_S = 86_400


def _viewed(items: str, *, day: float = 0.0) -> list[tuple[str, str, str, int]]:
    return [("u", item, "view", round(day * DAY_S)) for item in items]


def _best(rival: Popularity, log: Interactions, history: str = "z", *, k: int = 3) -> list[str]:
    return names_of(log, rival.recommend(histories_of(log, history), k=k))[0]


def test_the_most_frequent_come_first_then_the_first_to_occur() -> None:
    log = log_of(_viewed("zabccbdd"))
    rival = Popularity()
    rival.fit(log)
    assert _best(rival, log) == ["b", "c", "d"]


def test_what_was_seen_is_left_out() -> None:
    log = log_of(_viewed("zaaabbc"))
    rival = Popularity()
    rival.fit(log)
    assert _best(rival, log, "az") == ["b", "c"]
    beyond_the_window = histories_of(log, "z", earlier=["b"])
    assert names_of(log, rival.recommend(beyond_the_window, k=3)) == [["a", "c"]]


def test_ties_at_the_last_place_go_to_the_first_to_occur() -> None:
    log = log_of(_viewed("zabcdefgh"))
    rival = Popularity()
    rival.fit(log)
    assert _best(rival, log) == ["a", "b", "c"]


def test_only_the_last_days_count() -> None:
    log = log_of([*_viewed("zaaa"), *_viewed("bbc", day=5), *_viewed("cc", day=8)])
    rival = Popularity(days=7)
    rival.fit(log.part(0, 7))
    assert _best(rival, log) == ["a", "b", "c"]
    rival.learn(log.part(7, 8))
    rival.learn(log.part(8, 9))
    assert _best(rival, log) == ["c", "b"]
    assert rival.name == "popularity-7d"
    again = Popularity(days=7)
    again.fit(log)
    assert _best(again, log) == ["c", "b"]


def test_an_event_a_half_life_older_counts_half() -> None:
    log = log_of([*_viewed("zaaaab"), *_viewed("bb", day=30), *_viewed("c", day=45)])
    rival = Popularity(half_life_days=30)
    rival.fit(log.part(0, 8))
    assert _best(rival, log) == ["b", "a"]  # 2.5 against 4 / 2
    rival.learn(log.part(8, 9))
    assert _best(rival, log) == ["b", "a", "c"]  # 1.77, 1.41, 1 at the time of c


def test_decayed_counts_outlive_any_number_of_half_lives() -> None:
    log = log_of([*_viewed("z"), *_viewed("a", day=1), *_viewed("b", day=5000), *_viewed("bc", day=9000)])
    rival = Popularity(half_life_days=1)
    rival.fit(log.part(0, 2))
    rival.learn(log.part(2, 3))
    rival.learn(log.part(3, 5))
    assert _best(rival, log) == ["b", "c"]


@pytest.mark.parametrize("rival", [Popularity(days=7), Popularity(half_life_days=30)])
def test_where_the_log_has_no_times_what_needs_them_says_so(rival: Popularity) -> None:
    with pytest.raises(NotApplicable, match="the log has no times"):
        rival.fit(log_of(_viewed("abc")))


def test_random_draws_each_item_evenly_and_none_that_was_seen() -> None:
    log = log_of(_viewed("abcdef"))
    rival = Random(seed=1)
    rival.fit(log)
    drawn = rival.recommend(histories_of(log, *["a"] * 600), k=2)
    counts = np.bincount(drawn.ravel(), minlength=6)
    assert counts[0] == 0 and counts.sum() == 1200
    assert all(180 < count < 300 for count in counts[1:])


def test_random_gives_all_there_is_when_that_is_less_than_k() -> None:
    log = log_of(_viewed("abcd"))
    rival = Random()
    rival.fit(log.part(0, 3))
    assert sorted(names_of(log, rival.recommend(histories_of(log, "b"), k=10))[0]) == ["a", "c"]
    rival.learn(log.part(3, 4))
    assert sorted(names_of(log, rival.recommend(histories_of(log, "b"), k=10))[0]) == ["a", "c", "d"]

from __future__ import annotations

import numpy as np
import pytest

from stream_app.demo.rivals import DAY_MS, RECENT_DAYS, Rivals, chance_in_top

NONE = np.empty(0, np.int64)


def test_an_item_below_k_better_ones_is_not_in_the_list() -> None:
    counts = np.array([5, 4, 3, 2])
    assert chance_in_top(counts, 1, left_out=NONE, k=2) == 1.0
    assert chance_in_top(counts, 2, left_out=NONE, k=2) == 0.0


def test_seen_items_take_no_places() -> None:
    counts = np.array([5, 4, 3, 2])
    assert chance_in_top(counts, 2, left_out=np.array([0]), k=2) == 1.0


def test_ties_share_the_places_that_are_left() -> None:
    counts = np.array([9, 1, 1, 1, 1])
    assert chance_in_top(counts, 3, left_out=NONE, k=2) == pytest.approx(1 / 4)
    assert chance_in_top(counts, 3, left_out=np.array([4]), k=3) == pytest.approx(2 / 3)


def test_the_chances_of_all_items_add_up_to_the_length_of_the_list() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        counts = random.integers(0, 4, size=30)
        seen = random.choice(30, size=7, replace=False)
        unseen = sorted(set(range(30)) - set(seen.tolist()))
        assert sum(chance_in_top(counts, item, left_out=seen, k=5) for item in unseen) == pytest.approx(5)


def test_an_event_does_not_count_for_itself() -> None:
    rivals = Rivals(items=100, k=1)
    assert rivals.chances("u", 7, timestamp_ms=0).popularity == pytest.approx(1 / 100)
    rivals.learn("v", 7, timestamp_ms=0, positive=True)
    assert rivals.chances("u", 7, timestamp_ms=0).popularity == 1.0


def test_dislikes_are_seen_but_make_nothing_popular() -> None:
    rivals = Rivals(items=4, k=1)
    rivals.learn("u", 0, timestamp_ms=0, positive=False)
    assert rivals.chances("u", 1, timestamp_ms=0).popularity == pytest.approx(1 / 3)
    assert rivals.chances("v", 0, timestamp_ms=0).popularity == pytest.approx(1 / 4)


def test_recent_popularity_forgets_and_popularity_does_not() -> None:
    rivals = Rivals(items=100, k=1)
    for user in "abc":
        rivals.learn(user, 1, timestamp_ms=0, positive=True)
    late = RECENT_DAYS * DAY_MS + 1
    rivals.learn("d", 2, timestamp_ms=late, positive=True)
    assert rivals.chances("u", 1, timestamp_ms=late)[:2] == (1.0, 0.0)
    assert rivals.chances("u", 2, timestamp_ms=late)[:2] == (0.0, 1.0)


def test_chance_is_k_out_of_what_the_user_has_not_seen() -> None:
    rivals = Rivals(items=25, k=10)
    for item in range(5):
        rivals.learn("u", item, timestamp_ms=0, positive=True)
    assert rivals.chances("u", 9, timestamp_ms=0).random == pytest.approx(10 / 20)
    assert rivals.chances("v", 9, timestamp_ms=0).random == pytest.approx(10 / 25)

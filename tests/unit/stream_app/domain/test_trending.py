from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend
from stream_app.domain.trending import PartitionClock, Trending
from tests.unit.stream_app.domain.samples import DAY_MS, NOW_MS, forget, interaction

HOUR_MS = 3_600_000


def everything(_: int) -> bool:
    return True


def trending(
    *events: Interaction,
    half_life_ms: int = HOUR_MS,
    places: int = 256,
    counts: Callable[[int], bool] = everything,
) -> Trending:
    found = Trending(half_life_ms=half_life_ms, places=places)
    found.count(events, PartitionClock(), counts)
    return found


def view(item_id: str, timestamp_ms: int = NOW_MS, *, type_code: int = 1) -> Interaction:
    return interaction(item_id, timestamp_ms=timestamp_ms, type_code=type_code)


def top(found: Trending, available: Callable[[int], bool] = everything) -> list[tuple[str, float]]:
    return [(candidate.item.item_id, candidate.item.score) for candidate in found.candidates(available)]


def names(found: Trending, available: Callable[[int], bool] = everything) -> list[str]:
    return [name for name, _ in top(found, available)]


def test_a_clock_starts_at_its_first_event_and_never_goes_back() -> None:
    clock = PartitionClock()
    assert [clock.advance(NOW_MS + ahead) for ahead in (0, 5, 3, 6)] == [
        NOW_MS,
        NOW_MS + 5,
        NOW_MS + 5,
        NOW_MS + 6,
    ]


def test_one_wrong_clock_moves_the_partitions_by_a_day_at_most() -> None:
    clock = PartitionClock(NOW_MS)
    assert clock.advance(NOW_MS + 10_000 * DAY_MS) == NOW_MS + DAY_MS
    assert clock.advance(NOW_MS + 1) == NOW_MS + DAY_MS
    assert clock.now_ms == NOW_MS + DAY_MS


def test_a_clock_goes_on_from_where_it_was_stored() -> None:
    assert PartitionClock(NOW_MS).advance(NOW_MS - 5) == NOW_MS


def test_a_weight_halves_after_a_half_life() -> None:
    assert top(trending(view("old"), view("new", NOW_MS + HOUR_MS))) == [("new", 1.0), ("old", 0.5)]
    later = trending(view("old"), view("new", NOW_MS + 3 * HOUR_MS))
    assert top(later) == [("new", 1.0), ("old", 0.125)]


def test_two_events_a_half_life_ago_weigh_as_much_as_one_now() -> None:
    found = trending(view("old"), view("old"), view("new", NOW_MS + HOUR_MS))
    assert sorted(top(found)) == [("new", 1.0), ("old", 1.0)]


def test_an_event_that_comes_late_weighs_as_if_it_had_come_in_time() -> None:
    in_time = trending(view("old"), view("new", NOW_MS + HOUR_MS))
    late = trending(view("new", NOW_MS + HOUR_MS), view("old"))
    assert top(in_time) == top(late)


def test_an_event_of_the_future_weighs_as_one_of_now() -> None:
    found = trending(view("right"), view("ahead", NOW_MS + 900 * DAY_MS), half_life_ms=DAY_MS)
    # The clock moves by one day, and not by 900.
    assert top(found) == [("ahead", 1.0), ("right", 0.5)]


STREAM = st.lists(
    st.lists(st.tuples(st.integers(0, 8), st.integers(-3 * HOUR_MS, 5 * HOUR_MS)), max_size=12), max_size=6
)


@given(stream=STREAM)
def test_scores_are_the_shares_of_the_decayed_counts(stream: list[list[tuple[int, int]]]) -> None:
    found, clock = Trending(half_life_ms=HOUR_MS), PartitionClock()
    counted: list[tuple[str, int]] = []
    now = 0
    for chunk in stream:
        times = []
        for _, ahead in chunk:
            times.append((now or NOW_MS) + ahead)
            now = max(now, times[-1])
        chunk_events = [view(f"i{item}", at) for (item, _), at in zip(chunk, times, strict=True)]
        found.count(chunk_events, clock, everything)
        counted += [(event.item_id, event.timestamp_ms) for event in chunk_events]
    assert clock.now_ms == now
    weights: dict[str, float] = {}
    for item_id, at in counted:
        weights[item_id] = weights.get(item_id, 0.0) + 2.0 ** ((at - now) / HOUR_MS)
    best = max(weights.values(), default=1.0)
    expected = {item_id: weight / best for item_id, weight in weights.items()}
    scores = top(found)
    assert dict(scores) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert [score for _, score in scores] == sorted((score for _, score in scores), reverse=True)
    assert len(found) == len(weights)


def test_the_order_survives_thousands_of_half_lives() -> None:
    # A day is 24 half-lives: the landmark moves every nine days, and numbers would overflow after 43.
    found, clock = Trending(half_life_ms=HOUR_MS), PartitionClock()
    for day in range(200):
        at = NOW_MS + day * DAY_MS
        found.count([view("daily", at), *[view(f"day{day}", at)] * 2], clock, everything)
    assert [name for name, _ in top(found)[:4]] == ["day199", "daily", "day198", "day197"]
    assert all(math.isfinite(score) and 0 <= score <= 1 for _, score in top(found))


def test_the_landmark_moves_without_a_jump_in_the_scores() -> None:
    half_lives = [0, 150, 199, 201, 202, 203]
    found, clock = Trending(half_life_ms=HOUR_MS), PartitionClock(NOW_MS + 203 * HOUR_MS)
    for at in half_lives:
        found.count([view(f"at{at}", NOW_MS + at * HOUR_MS)], clock, everything)
    expected = [(f"at{at}", round(2.0 ** (at - 203), 6)) for at in reversed(half_lives)]
    assert top(found) == expected


def test_what_lies_thousands_of_half_lives_back_is_gone() -> None:
    found, clock = Trending(half_life_ms=1_000), PartitionClock()
    found.count([view("old")], clock, everything)
    found.count([view("new", NOW_MS + HOUR_MS)], clock, everything)
    assert top(found) == [("new", 1.0)]


def test_only_the_types_that_count_do() -> None:
    found = trending(view("a"), view("b", type_code=6), counts=lambda code: code != 6)
    assert names(found) == ["a"]
    assert len(found) == 1


def test_forget_counts_for_nothing_and_moves_the_clock() -> None:
    found, clock = Trending(half_life_ms=HOUR_MS), PartitionClock()
    found.count([view("a"), forget(timestamp_ms=NOW_MS + 7)], clock, everything)
    assert names(found) == ["a"]
    assert clock.now_ms == NOW_MS + 7


def test_nothing_counted_gives_no_candidates() -> None:
    assert top(trending()) == []
    assert top(trending(view("a"), counts=lambda _: False)) == []


def test_a_candidate_is_named_by_its_hash_and_ready_to_be_sent() -> None:
    (candidate,) = trending(view("a")).candidates(everything)
    assert candidate.item_hash == item_hash("a")
    assert (candidate.item.item_id, candidate.item.because) == ("a", ())


def test_unavailable_items_are_left_out_and_come_back_when_available_again() -> None:
    found = trending(*[view("a")] * 3, *[view("b")] * 2, view("c"))
    assert names(found, lambda value: value != item_hash("a")) == ["b", "c"]
    assert names(found) == ["a", "b", "c"]


def test_the_places_of_unavailable_items_are_filled_from_below() -> None:
    events = [view(f"i{item}") for item in range(10) for _ in range(10 - item)]
    found = trending(*events, places=4)
    assert names(found) == ["i0", "i1", "i2", "i3"]
    gone = {item_hash("i0"), item_hash("i2")}
    assert names(found, lambda value: value not in gone) == ["i1", "i3", "i4", "i5"]


def test_a_new_favourite_is_seen_after_256_events_at_the_latest() -> None:
    found, clock = Trending(half_life_ms=HOUR_MS), PartitionClock()
    found.count([view(f"i{item}") for item in range(1_000)], clock, everything)
    assert "new" not in names(found)
    for _ in range(256):
        found.count([view("new")], clock, everything)
    assert names(found)[0] == "new"


def test_with_few_items_every_chunk_is_seen_at_once() -> None:
    found, clock = trending(view("a")), PartitionClock(NOW_MS)
    assert names(found) == ["a"]
    found.count([view("b")] * 2, clock, everything)
    assert names(found) == ["b", "a"]


def test_when_there_are_too_many_items_the_lesser_half_is_dropped() -> None:
    found, clock = Trending(half_life_ms=HOUR_MS, max_items=10), PartitionClock()
    for item in range(10):
        found.count([view(f"i{item}")] * (item + 1), clock, everything)
    assert len(found) <= 10
    found.count([view("new")], clock, everything)
    kept = dict(top(found))
    assert {"i9", "i8", "new"} <= set(kept)
    assert "i0" not in kept
    assert kept["i8"] == pytest.approx(9 / 10)


def test_an_item_that_was_dropped_starts_anew() -> None:
    found, clock = Trending(half_life_ms=HOUR_MS, max_items=3), PartitionClock()
    found.count([view("a"), view("b"), view("b")], clock, everything)
    found.count([view("c"), view("c")], clock, everything)
    found.count([view("a")], clock, everything)
    assert dict(top(found)) == {"b": 1.0, "c": 1.0, "a": 0.5}


def test_a_chunk_of_more_events_than_items_are_kept_is_counted() -> None:
    found = Trending(half_life_ms=HOUR_MS, max_items=2)
    clock = PartitionClock()
    for _ in range(3):
        found.count([view(f"i{item}") for item in range(5)], clock, everything)
    assert "i4" in names(found)


def test_more_items_than_the_first_table_holds_are_all_counted() -> None:
    found = trending(*[view(f"i{item}") for item in range(3_000)], *[view("i2999")] * 2, places=3_000)
    assert len(found) == 3_000
    assert len(top(found)) == 3_000
    assert top(found)[0] == ("i2999", 1.0)


def stored(*events: Interaction) -> bytes:
    in_order = [event._replace(offset=at) for at, event in enumerate(events)]
    record = extend(None, in_order, epoch=0, limit=200, max_age_ms=100 * DAY_MS)
    assert record is not None
    return record


NAMES = {item_hash(f"i{item}"): f"i{item}" for item in range(9)}


@given(
    windows=st.lists(
        st.lists(
            st.tuples(st.integers(0, 8), st.integers(0, 5 * HOUR_MS), st.integers(1, 6)),
            min_size=1,
            max_size=8,
        ),
        max_size=5,
    )
)
def test_stored_histories_count_as_their_events_did(windows: list[list[tuple[int, int, int]]]) -> None:
    histories = [
        [view(f"i{item}", NOW_MS + ahead, type_code=code) for item, ahead, code in window]
        for window in windows
    ]
    live, after_a_start = Trending(half_life_ms=HOUR_MS), Trending(half_life_ms=HOUR_MS)
    clock = PartitionClock(NOW_MS + 5 * HOUR_MS)
    for window in histories:
        live.count(window, clock, lambda code: code != 6)
    after_a_start.count_histories(
        (stored(*window) for window in histories), lambda code: code != 6, NAMES.get
    )
    assert dict(top(after_a_start)) == pytest.approx(dict(top(live)), abs=2e-6)
    assert len(after_a_start) == len(live)


def test_of_stored_histories_items_without_a_name_are_left_out() -> None:
    found = Trending(half_life_ms=HOUR_MS)
    found.count_histories([stored(view("i1"), view("gone"), view("i1"), view("i2"))], everything, NAMES.get)
    assert top(found) == [("i1", 1.0), ("i2", 0.5)]


def test_stored_histories_add_to_what_was_counted() -> None:
    found = trending(view("i1"), view("new"))
    found.count_histories([stored(view("i1"), view("i2"))], everything, NAMES.get)
    assert dict(top(found)) == {"i1": 1.0, "new": 0.5, "i2": 0.5}


def test_no_stored_histories_count_for_nothing() -> None:
    found = Trending(half_life_ms=HOUR_MS)
    found.count_histories([], everything, NAMES.get)
    found.count_histories([stored(view("gone"))], everything, NAMES.get)
    assert top(found) == []

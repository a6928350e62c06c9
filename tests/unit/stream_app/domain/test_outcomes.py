from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import TYPE_CODES, Interaction
from stream_app.domain.history import contains, extend
from stream_app.domain.lists import GivenList, judging
from stream_app.domain.messages import EventPosition, ModelRef, Outcome
from stream_app.domain.outcomes import SeenItems, Skipped, judge, judge_together, seen_before_replayed
from tests.unit.stream_app.domain.samples import NOW_MS, forget, given_list, interaction

POSITIVE = {TYPE_CODES["like"], TYPE_CODES["purchase"]}
SOURCE = EventPosition("events", 3, 17)
LIKED = interaction("b", offset=17, timestamp_ms=NOW_MS + 900, type_code=TYPE_CODES["like"])
GIVEN = given_list(*map(item_hash, ("a", "b", "c")), offset=12, emitted_at_ms=NOW_MS, k=10)


def judged(
    event: Interaction = LIKED,
    given: GivenList | None = GIVEN,
    *,
    seen: bool = False,
    now_ms: int = NOW_MS + 1_000,
) -> Outcome | Skipped:
    return judge(event, given, seen=seen, positive=POSITIVE, source=SOURCE, now_ms=now_ms)


def outcome(event: Interaction = LIKED, given: GivenList = GIVEN, *, now_ms: int = NOW_MS + 1_000) -> Outcome:
    found = judged(event, given, now_ms=now_ms)
    assert isinstance(found, Outcome)
    return found


def test_an_outcome_says_what_was_judged_against_what() -> None:
    assert outcome() == Outcome(
        user_id="u",
        item_id="b",
        type="like",
        rank=2,
        k=10,
        model=ModelRef(GIVEN.model.version, "champion"),
        age_ms=1_000,
        event=SOURCE,
        list_offset=12,
    )


@pytest.mark.parametrize(("item_id", "rank"), [("a", 1), ("b", 2), ("c", 3), ("d", None)])
def test_the_rank_is_the_items_place_and_null_where_it_has_none(item_id: str, rank: int | None) -> None:
    assert outcome(LIKED._replace(item_id=item_id, item_hash=item_hash(item_id))).rank == rank


def test_an_empty_list_is_a_miss_and_not_left_out() -> None:
    assert outcome(given=given_list(k=10)).rank is None


@pytest.mark.parametrize("name", ["view", "click", "cart", "purchase", "like", "dislike"])
def test_only_positive_types_are_judged(name: str) -> None:
    found = judged(LIKED._replace(type_code=TYPE_CODES[name]))
    if TYPE_CODES[name] in POSITIVE:
        assert isinstance(found, Outcome) and found.type == name
    else:
        assert found == "not positive"


def test_forget_is_not_judged() -> None:
    assert judged(forget()) == "not positive"


def test_a_user_without_a_list_is_not_judged() -> None:
    assert judged(given=None) == "no list yet"


def test_an_item_that_the_user_had_seen_is_not_judged() -> None:
    assert judged(seen=True) == "seen before"


def test_an_event_is_counted_under_the_first_reason_that_holds() -> None:
    view = LIKED._replace(type_code=TYPE_CODES["view"])
    assert judged(view, None, seen=True) == "not positive"
    assert judged(LIKED, None, seen=True) == "no list yet"


def test_an_age_is_never_negative() -> None:
    assert outcome(now_ms=NOW_MS - 5).age_ms == 0


def window(*events: Interaction, limit: int = 200) -> bytes:
    record = extend(None, events, epoch=0, limit=limit, max_age_ms=10_000)
    assert record is not None
    return record


OTHER = interaction("a", offset=10)
EARLIER = LIKED._replace(offset=11, timestamp_ms=NOW_MS)
LATER = LIKED._replace(offset=20, timestamp_ms=NOW_MS + 5_000)


def test_a_replayed_event_whose_item_came_before_it_was_seen() -> None:
    assert seen_before_replayed(LIKED, window(OTHER, EARLIER, LIKED)) is True


def test_a_replayed_event_whose_item_came_after_it_only_was_not() -> None:
    assert seen_before_replayed(LIKED, window(OTHER, LIKED)) is False
    assert seen_before_replayed(LIKED, window(OTHER, LIKED, LATER)) is False


def test_another_type_or_time_of_the_item_is_another_event() -> None:
    viewed = LIKED._replace(offset=11, type_code=TYPE_CODES["view"])
    assert seen_before_replayed(LIKED, window(OTHER, viewed, LIKED)) is True
    assert seen_before_replayed(viewed, window(OTHER, viewed, LIKED)) is False


def test_of_two_equal_events_of_one_millisecond_the_first_is_meant() -> None:
    again = LIKED._replace(offset=18)
    assert seen_before_replayed(again, window(OTHER, LIKED, again)) is False


def test_of_a_replayed_event_that_has_left_the_window_nothing_can_be_said() -> None:
    assert seen_before_replayed(LIKED, window(LIKED, OTHER._replace(offset=30), limit=1)) is None
    assert seen_before_replayed(LIKED, window(OTHER, EARLIER)) is None


MANY = st.lists(st.integers(1, 12), max_size=40)


@given(stored=MANY, fresh=MANY, replayed=st.integers(0, 10), limit=st.integers(1, 15))
def test_however_a_stream_is_cut_each_event_finds_the_window_that_it_had(
    stored: list[int], fresh: list[int], replayed: int, limit: int
) -> None:
    events = [
        LIKED._replace(offset=offset, item_hash=item, timestamp_ms=LIKED.timestamp_ms + offset)
        for offset, item in enumerate([*stored, *fresh])
    ]
    before = extend(None, events[: len(stored)], epoch=0, limit=limit, max_age_ms=1 << 40)
    seen = SeenItems(before, applied=len(stored) - 1, limit=limit)
    for event in events[max(len(stored) - replayed, 0) :]:
        window = [one.item_hash for one in events[max(event.offset - limit, 0) : event.offset]]
        found = seen.holds(event)
        seen.add(event)
        if event.offset >= len(stored):
            assert found == (event.item_hash in window)
        elif found is not None:  # what has left the stored window meanwhile is not known any more
            left = max(len(stored) - limit, 0)
            assert found == (event.item_hash in [one.item_hash for one in events[left : event.offset]])
        else:
            assert event.offset < len(stored) - limit


def test_a_replayed_event_is_told_though_more_than_a_window_of_newer_ones_comes_with_it() -> None:
    """It was applied before a crash and never judged: the newer events of its chunk must not hide it."""
    events = [
        LIKED._replace(offset=offset, item_hash=offset, timestamp_ms=LIKED.timestamp_ms + offset)
        for offset in range(300)
    ]
    before = extend(None, events[:6], epoch=0, limit=200, max_age_ms=1 << 40)
    seen = SeenItems(before, applied=5, limit=200)
    assert [seen.holds(event) for event in events[4:6]] == [False, False]


KINDS = st.sampled_from([TYPE_CODES[name] for name in ("view", "like", "purchase", "dislike")])


@given(
    kinds=st.lists(st.tuples(st.integers(1, 6), KINDS, st.integers(0, 60)), min_size=1, max_size=20),
    stored=st.integers(0, 10),
    replayed=st.integers(0, 5),
    triggers=st.sets(st.tuples(st.integers(0, 1), st.integers(0, 20)), max_size=6),
    max_age=st.sampled_from([20, 1 << 40]),
)
def test_events_judged_together_fare_as_each_would_alone(
    kinds: list[tuple[int, int, int]],
    stored: int,
    replayed: int,
    triggers: set[tuple[int, int]],
    max_age: int,
) -> None:
    """Whatever grows old meanwhile: the window before each is what all events before it make."""
    events = [
        LIKED._replace(
            offset=offset, item_hash=item, type_code=code, timestamp_ms=NOW_MS + late * 100 + offset
        )
        for offset, (item, code, late) in enumerate(kinds)
    ]
    rules = {"epoch": 1, "limit": 5, "max_age_ms": max_age * 100}
    stored = min(stored, len(events) - 1)
    before = extend(None, events[:stored], **rules)
    lists = tuple(
        given_list(1, 2, epoch=epoch, offset=offset, k=3) for epoch, offset in sorted(triggers, reverse=True)
    )
    chunk = events[max(stored - replayed, 0) :]

    together = judge_together(
        chunk, lists, before=before, applied=stored - 1, topic="events", partition=3, positive=POSITIVE,
        now_ms=NOW_MS, **rules,
    )  # fmt: skip

    for event, result in zip(chunk, together, strict=True):
        given = judging(lists, 1, event.offset)
        if event.offset < stored:  # a replay
            known = before is not None
            seen = seen_before_replayed(event, before) if known and before is not None else None
        else:
            window = extend(None, events[: event.offset], **rules)
            seen = window is not None and contains(window, event.item_hash)
        source = EventPosition("events", 3, event.offset, 1)
        alone = judge(event, given, seen=seen is True, positive=POSITIVE, source=source, now_ms=NOW_MS)
        if isinstance(alone, Outcome) and seen is None:
            assert result == "out of the window"
        else:
            assert result == alone


def test_an_event_that_was_produced_twice_is_seen_the_second_time_on_a_replay_too() -> None:
    twice = [LIKED, LIKED._replace(offset=18)]
    before = extend(None, twice, epoch=0, limit=5, max_age_ms=1 << 40)
    seen = SeenItems(before, applied=18, limit=5)
    found = []
    for event in twice:
        found.append(seen.holds(event))
        seen.add(event)
    assert found == [False, True]

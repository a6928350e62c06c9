"""`extend` against a model that applies one event at a time to a list of tuples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_app.domain import history
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import (
    MAX_LIMIT,
    MAX_RECORD_BYTES,
    Entry,
    UnknownFormat,
    extend,
    header,
    length,
)
from tests.unit.stream_app.domain.samples import DAY_MS, NOW_MS, forget, interaction

MAX_AGE_MS = 1_000


class Model(NamedTuple):
    position: tuple[int, int]
    newest_ms: int
    entries: list[tuple[int, int, int]]


def apply(model: Model | None, event: Interaction, *, epoch: int, limit: int) -> Model | None:
    if model and (epoch, event.offset) <= model.position:
        return model
    if event.type_code == 0:
        return None
    entries = list(model.entries) if model else []
    newest = max(model.newest_ms, event.timestamp_ms) if model else event.timestamp_ms
    entries.append((event.item_hash, event.timestamp_ms, event.type_code))
    young = [entry for entry in entries if newest - entry[1] <= MAX_AGE_MS]
    return Model((epoch, event.offset), newest, young[-limit:])


def apply_all(events: Sequence[Interaction], *, limit: int, epoch: int = 0) -> Model | None:
    model = None
    for event in events:
        model = apply(model, event, epoch=epoch, limit=limit)
    return model


def unpack(record: bytes | None) -> Model | None:
    if record is None:
        return None
    stored = header(record)
    return Model(
        (stored.epoch, stored.offset), stored.newest_ms, list(map(tuple_of, history.entries(record)))
    )


def tuple_of(entry: Entry) -> tuple[int, int, int]:
    return entry.item_hash, entry.timestamp_ms, entry.type_code


def run(
    events: Sequence[Interaction], *, limit: int = 200, epoch: int = 0, record: bytes | None = None
) -> bytes | None:
    return extend(record, events, epoch=epoch, limit=limit, max_age_ms=MAX_AGE_MS)


# Times on both sides of the age, so that most runs prune; few items, so that they come again.
MOMENTS = st.sampled_from([0, 1, 500, 999, 1_000, 1_001, 1_500, 2_000, 2_001, 9_000]).map(NOW_MS.__add__)
KINDS = st.sampled_from([1, 1, 2, 3, 4, 5, 6, 6, 1, 2, 0])
SPECS = st.lists(st.tuples(st.integers(1, 5), MOMENTS, KINDS), max_size=30)
LIMITS = st.integers(1, 8)


def in_order(specs: list[tuple[int, int, int]]) -> list[Interaction]:
    return [
        interaction(offset=2 * at, hash_=item, timestamp_ms=moment, type_code=code)
        if code
        else forget(offset=2 * at, timestamp_ms=moment)
        for at, (item, moment, code) in enumerate(specs)
    ]


EVENTS = SPECS.map(in_order)


# After the age has cut, what the limit drops still counts in the stored lower bound.
CUT_BY_AGE_THEN_LIMIT = in_order(
    [(at, NOW_MS + ms, 1) for at, ms in enumerate([0, 1_001, 900, 1_001, 1_001, 1_001])]
)
# The limit drops the first before the last makes the second and third too old.
CUT_BY_LIMIT_THEN_AGE = in_order([(at, NOW_MS + ms, 1) for at, ms in enumerate([1_000, 0, 0, 1_001])])


@given(events=EVENTS, limit=LIMITS)
@example(events=CUT_BY_AGE_THEN_LIMIT, limit=2)
@example(events=CUT_BY_LIMIT_THEN_AGE, limit=2)
def test_the_record_is_what_the_model_says(events: list[Interaction], limit: int) -> None:
    assert unpack(run(events, limit=limit)) == apply_all(events, limit=limit)


@given(events=EVENTS, limit=LIMITS, cuts=st.lists(st.integers(0, 30)))
@example(events=CUT_BY_AGE_THEN_LIMIT, limit=2, cuts=[])
@example(events=CUT_BY_LIMIT_THEN_AGE, limit=2, cuts=[])
@settings(max_examples=300)
def test_any_cut_of_the_events_into_calls_gives_the_same_bytes(
    events: list[Interaction], limit: int, cuts: list[int]
) -> None:
    record = None
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        record = run(events[start:end], limit=limit, record=record)
    one_by_one = None
    for event in events:
        one_by_one = run([event], limit=limit, record=one_by_one)
    assert record == one_by_one == run(events, limit=limit)


@given(specs=SPECS, offsets=st.lists(st.integers(0, 10), min_size=30, max_size=30), limit=LIMITS)
def test_offsets_out_of_order_or_twice_in_a_call_are_as_in_calls_of_their_own(
    specs: list[tuple[int, int, int]], offsets: list[int], limit: int
) -> None:
    events = [e._replace(offset=o) for e, o in zip(in_order(specs), offsets, strict=False)]
    assert unpack(run(events, limit=limit)) == apply_all(events, limit=limit)


@given(events=EVENTS, limit=LIMITS, starts=st.lists(st.integers(0, 30), max_size=4))
def test_a_replay_of_any_suffix_changes_nothing(
    events: list[Interaction], limit: int, starts: list[int]
) -> None:
    record = run(events, limit=limit)
    replayed = record
    for start in starts:
        replayed = run(events[start:], limit=limit, record=replayed)
    assert replayed == record


@given(events=EVENTS, limit=LIMITS)
def test_the_stored_lower_bound_of_the_times_holds(events: list[Interaction], limit: int) -> None:
    record = run(events, limit=limit)
    if record is not None:
        assert all(header(record).oldest_ms <= entry.timestamp_ms for entry in history.entries(record))


@given(before=EVENTS, after=EVENTS, limit=LIMITS)
def test_a_newer_epoch_starts_its_offsets_anew_and_an_older_one_is_ignored(
    before: list[Interaction], after: list[Interaction], limit: int
) -> None:
    old = run(before, limit=limit, epoch=1)
    model = apply_all(before, limit=limit, epoch=1)
    for event in after:
        model = apply(model, event, epoch=2, limit=limit)
    new = run(after, limit=limit, epoch=2, record=old)
    assert unpack(new) == model
    if new is not None and header(new).epoch == 2:
        assert run(before, limit=limit, epoch=1, record=new) == new


def test_the_events_position_and_not_their_number_is_kept() -> None:
    record = run([interaction(offset=5), interaction(offset=900)], epoch=3)
    assert record is not None
    assert header(record)[:3] == (1, 3, 900)
    assert length(record) == 2


def test_only_the_last_entries_are_kept() -> None:
    record = run([interaction(offset=at, hash_=at + 1) for at in range(10)], limit=3)
    assert record is not None
    assert [entry.item_hash for entry in history.entries(record)] == [8, 9, 10]


def test_a_smaller_limit_takes_hold_with_the_next_event() -> None:
    record = run([interaction(offset=at, hash_=at + 1) for at in range(10)], limit=8)
    record = run([interaction(offset=10, hash_=11)], limit=2, record=record)
    assert record is not None
    assert [entry.item_hash for entry in history.entries(record)] == [10, 11]


def test_an_entry_just_at_the_age_stays_and_one_older_goes() -> None:
    old = [interaction(offset=0, hash_=1), interaction(offset=1, hash_=2, timestamp_ms=NOW_MS + 1)]
    record = run([*old, interaction(offset=2, hash_=3, timestamp_ms=NOW_MS + 1 + MAX_AGE_MS)])
    assert record is not None
    assert [entry.item_hash for entry in history.entries(record)] == [2, 3]


def test_a_late_event_beyond_the_age_moves_the_position_and_nothing_else() -> None:
    before = run([interaction(offset=0, hash_=1)])
    after = run([interaction(offset=1, hash_=2, timestamp_ms=NOW_MS - MAX_AGE_MS - 1)], record=before)
    assert before is not None and after is not None
    assert header(after) == header(before)._replace(offset=1)
    assert list(history.entries(after)) == list(history.entries(before))


def test_a_late_event_within_the_age_stays_where_it_arrived() -> None:
    record = run([interaction(offset=0, hash_=1), interaction(offset=1, hash_=2, timestamp_ms=NOW_MS - 5)])
    assert record is not None
    assert [entry.item_hash for entry in history.entries(record)] == [1, 2]
    assert (header(record).newest_ms, header(record).oldest_ms) == (NOW_MS, NOW_MS - 5)


def test_a_clock_a_day_ahead_costs_a_day_of_the_users_own_window() -> None:
    def extended(*events: Interaction) -> list[int]:
        record = extend(None, events, epoch=0, limit=200, max_age_ms=3 * DAY_MS)
        assert record is not None
        return [entry.item_hash for entry in history.entries(record)]

    days = [interaction(offset=at, hash_=at + 1, timestamp_ms=NOW_MS + at * DAY_MS) for at in range(4)]
    ahead = interaction(offset=4, hash_=9, timestamp_ms=NOW_MS + 4 * DAY_MS)
    then = interaction(offset=5, hash_=10, timestamp_ms=NOW_MS + 3 * DAY_MS)
    assert extended(*days) == [1, 2, 3, 4]
    assert extended(*days, ahead, then) == [2, 3, 4, 9, 10]


def test_the_newest_time_outlives_its_entry() -> None:
    # A user's age runs from the newest time ever, whether or not the limit has since dropped that entry.
    ahead = interaction(offset=0, hash_=1, timestamp_ms=NOW_MS + 900)
    record = run([ahead, *(interaction(offset=at, hash_=at + 1) for at in (1, 2))], limit=2)
    assert record is not None
    assert header(record).newest_ms == NOW_MS + 900
    for offset, timestamp_ms in ((3, NOW_MS - 101), (4, NOW_MS - 100)):
        event = interaction(offset=offset, hash_=offset + 1, timestamp_ms=timestamp_ms)
        record = run([event], limit=2, record=record)
    assert record is not None
    assert [entry.item_hash for entry in history.entries(record)] == [3, 5]


def test_forget_erases_what_came_before_it_and_not_what_comes_after() -> None:
    record = run([interaction(offset=0, hash_=1, timestamp_ms=NOW_MS + 9_000), forget(offset=1)])
    assert record is None
    later = [interaction(offset=2, hash_=2), interaction(offset=3, hash_=3)]
    assert run([interaction(offset=0), forget(offset=1), *later]) == run(later)


def test_forget_leaves_nothing_of_the_users_times() -> None:
    first = run([interaction(offset=0, timestamp_ms=NOW_MS + 9_000)])
    record = run([forget(offset=1), interaction(offset=2)], record=first)
    assert record is not None
    assert (header(record).newest_ms, header(record).oldest_ms) == (NOW_MS, NOW_MS)


def test_a_replayed_forget_erases_nothing_that_came_after_it() -> None:
    record = run([forget(offset=1), interaction(offset=2)])
    assert run([forget(offset=1)], record=record) == record


def test_no_events_leave_the_record_as_it_is() -> None:
    record = run([interaction()])
    assert run([], record=record) is record
    assert run([]) is None


def test_the_largest_window_stays_within_512_kib() -> None:
    events = [interaction(offset=at, hash_=at + 1) for at in range(MAX_LIMIT + 5)]
    record = run(events, limit=MAX_LIMIT)
    assert record is not None
    assert length(record) == MAX_LIMIT
    assert MAX_RECORD_BYTES - history.ENTRY_BYTES < len(record) <= MAX_RECORD_BYTES == 512 * 1024


@pytest.mark.parametrize("found", [0, 2, 255])
def test_a_record_of_another_format_is_refused(found: int) -> None:
    record = run([interaction()])
    assert record is not None
    other = bytes([found]) + record[1:]
    with pytest.raises(UnknownFormat, match=f"format {found} found.*upgrade the worker"):
        header(other)
    with pytest.raises(UnknownFormat, match=f"format {found} found"):
        run([interaction(offset=1)], record=other)

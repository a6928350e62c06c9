from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import EXCLUDE_STEP, ModelInputs, encode
from stream_app.domain.history import entries, extend
from tests.unit.stream_app.domain.samples import DAY_MS, NOW_MS, interaction

KNOWN = Vocabulary([f"i{number}" for number in range(40)])


def record(*item_ids: str, start_ms: int = NOW_MS, step_ms: int = 1_000) -> bytes:
    """A history of views of these items; where none is given, an empty window."""
    events = [
        interaction(item_id, offset=at, timestamp_ms=start_ms + at * step_ms)
        for at, item_id in enumerate(item_ids or ("gone",))
    ]
    packed = extend(None, events, epoch=0, limit=1_000, max_age_ms=1_000 * DAY_MS)
    assert packed is not None
    return packed if item_ids else packed[:32]


def reference(records: list[bytes], now_ms: list[int], max_length: int) -> ModelInputs:
    rows = {item_hash(item_id): KNOWN.row(item_id) for item_id in KNOWN.item_ids}
    windows = [[entry for entry in entries(packed) if entry.item_hash in rows] for packed in records]
    widest = max((len(window) for window in windows), default=0)
    width = EXCLUDE_STEP
    while width < widest:
        width += EXCLUDE_STEP
    ids, types, deltas, excluded = [], [], [], []
    for window, now in zip(windows, now_ms, strict=True):
        last = window[-max_length:]
        padding = [0] * (max_length - len(last))
        ids.append([*padding, *(rows[entry.item_hash] for entry in last)])
        types.append([*padding, *(entry.type_code for entry in last)])
        deltas.append([*padding, *(max(now - entry.timestamp_ms, 0) / 1000 for entry in last)])
        excluded.append([*(rows[entry.item_hash] for entry in window), *([0] * (width - len(window)))])
    return ModelInputs(
        np.array(ids, dtype=np.int32).reshape(-1, max_length),
        np.array(types, dtype=np.int32).reshape(-1, max_length),
        np.array(deltas, dtype=np.float32).reshape(-1, max_length),
        np.array(excluded, dtype=np.int32).reshape(-1, width),
    )


def assert_same(found: ModelInputs, expected: ModelInputs) -> None:
    for name in ("item_ids", "event_types", "time_deltas", "exclude_ids"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


# Items up to i49, of which the version knows those up to i39.
MOMENTS = st.integers(NOW_MS - 200 * DAY_MS, NOW_MS + DAY_MS)
WINDOWS = st.lists(st.tuples(st.integers(0, 49), st.integers(1, 6), MOMENTS), max_size=70)


@given(
    windows=st.lists(st.tuples(WINDOWS, MOMENTS), max_size=6),
    max_length=st.sampled_from([1, 2, 5, 20, 100]),
)
def test_the_inputs_are_what_a_loop_over_users_makes(
    windows: list[tuple[list[tuple[int, int, int]], int]], max_length: int
) -> None:
    records = []
    for window, _ in windows:
        events = [
            interaction(f"i{item}", offset=at, timestamp_ms=moment, type_code=code)
            for at, (item, code, moment) in enumerate(window)
        ]
        packed = extend(None, events, epoch=0, limit=200, max_age_ms=1_000 * DAY_MS)
        records.append(record() if packed is None else packed)
    now_ms = [now for _, now in windows]
    found = encode(records, np.array(now_ms, dtype=np.int64), KNOWN, max_length=max_length)
    assert len(found) == len(windows)
    assert_same(found, reference(records, now_ms, max_length))


def test_unknown_items_are_dropped_before_the_last_are_taken() -> None:
    found = encode([record("i0", "i1", "new", "newer", "i2", "newest")], [NOW_MS], KNOWN, max_length=3)
    assert found.item_ids.tolist() == [[KNOWN.row("i0"), KNOWN.row("i1"), KNOWN.row("i2")]]


def test_an_item_counts_as_soon_as_a_version_knows_it() -> None:
    packed = record("i0", "new")
    later = Vocabulary(["new", *KNOWN.item_ids])
    assert encode([packed], [NOW_MS], later, max_length=2).item_ids.tolist() == [[later.row("i0"), 1]]


def test_short_histories_are_padded_on_the_left() -> None:
    found = encode([record("i0"), record("i1", "i2", "i3")], [NOW_MS] * 2, KNOWN, max_length=4)
    assert (found.item_ids > 0).tolist() == [[False, False, False, True], [False, True, True, True]]
    assert ((found.event_types > 0) == (found.item_ids > 0)).all()
    assert (found.time_deltas[found.item_ids == 0] == 0).all()


def test_everything_in_the_window_is_excluded_and_not_the_last_alone() -> None:
    names = [f"i{number}" for number in range(10)]
    found = encode([record(*names)], [NOW_MS], KNOWN, max_length=3)
    assert sorted(found.exclude_ids[found.exclude_ids > 0].tolist()) == [KNOWN.row(name) for name in names]


@pytest.mark.parametrize(("size", "width"), [(0, 32), (1, 32), (32, 32), (33, 64), (64, 64), (65, 96)])
def test_the_excluded_come_in_steps_of_32(size: int, width: int) -> None:
    packed = record(*(f"i{number % 40}" for number in range(size)))
    assert encode([packed, record("i0")], [NOW_MS] * 2, KNOWN, max_length=2).exclude_ids.shape == (2, width)


def test_unknown_items_do_not_widen_the_excluded() -> None:
    packed = record(*(f"new{number}" for number in range(100)), "i0")
    found = encode([packed], [NOW_MS], KNOWN, max_length=2)
    assert found.exclude_ids.tolist() == [[KNOWN.row("i0"), *[0] * 31]]


@pytest.mark.parametrize("packed", [record(), record("new", "newer")])
def test_a_user_of_whom_nothing_is_known_is_a_row_of_zeros(packed: bytes) -> None:
    found = encode([record("i0"), packed, record("i1")], [NOW_MS + 5_000] * 3, KNOWN, max_length=3)
    for array in (found.item_ids, found.event_types, found.time_deltas, found.exclude_ids):
        assert array[0].any() and not array[1].any() and array[2].any()


def test_a_batch_may_be_empty_or_hold_only_unknown_users() -> None:
    for records in ([], [record()], [record("new"), record()]):
        found = encode(records, [NOW_MS] * len(records), KNOWN, max_length=3)
        assert len(found) == len(records)
        assert found.item_ids.shape == found.time_deltas.shape == (len(records), 3)
        assert found.exclude_ids.shape == (len(records), 32)
        assert not found.item_ids.any()


def test_a_millisecond_is_not_lost_in_the_size_of_an_epoch() -> None:
    # float32 alone would round either time to the nearest 131 s.
    found = encode([record("i0", "i1", step_ms=1)], [NOW_MS + 2], KNOWN, max_length=2)
    assert found.time_deltas.tolist() == [[np.float32(0.002), np.float32(0.001)]]


def test_no_delta_is_negative() -> None:
    found = encode([record("i0", "i1", step_ms=60_000)], [NOW_MS + 30_000], KNOWN, max_length=2)
    assert found.time_deltas.tolist() == [[30.0, 0.0]]


def test_each_user_has_a_moment_of_its_own() -> None:
    found = encode([record("i0"), record("i0")], [NOW_MS + 1_000, NOW_MS + 7_000], KNOWN, max_length=1)
    assert found.time_deltas.tolist() == [[1.0], [7.0]]


def test_the_inputs_are_whole_arrays_as_a_session_takes_them() -> None:
    found = encode([record("i0"), record("i1", "i2")], [NOW_MS] * 2, KNOWN, max_length=1)
    for array in (found.item_ids, found.event_types, found.time_deltas, found.exclude_ids):
        assert array.flags.c_contiguous and array.flags.writeable


@given(
    windows=st.lists(st.lists(st.integers(0, 39), max_size=30), max_size=5),
    trained=st.integers(0, 40),
    max_length=st.integers(1, 12),
)
def test_items_that_came_after_training_are_seen_and_read_only_where_there_is_nothing_else(
    windows: list[list[int]], trained: int, max_length: int
) -> None:
    records = [record(*(f"i{number}" for number in window)) for window in windows]
    now_ms = [NOW_MS + DAY_MS] * len(records)
    found = encode(records, now_ms, KNOWN, max_length=max_length, trained=trained)
    whole = encode(records, now_ms, KNOWN, max_length=max_length)
    np.testing.assert_array_equal(found.exclude_ids, whole.exclude_ids)
    read = [[number for number in window if number < trained] or window for window in windows]
    # The moments stay those of the events that are read.
    for row, (window, numbers) in enumerate(zip(windows, read, strict=True)):
        last = numbers[-max_length:]
        padding = max_length - len(last)
        assert found.item_ids[row].tolist() == [0] * padding + [number + 1 for number in last]
        places = [at for at, number in enumerate(window) if number < trained or numbers is window]
        ages_s = [DAY_MS / 1000 - at for at in places[-max_length:]]
        np.testing.assert_allclose(found.time_deltas[row], [0.0] * padding + ages_s, atol=0.01)
        assert found.event_types[row].tolist() == [0] * padding + [1] * len(last)

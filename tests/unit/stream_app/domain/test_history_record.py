"""The bytes of a history: what is stored today must be readable for ever, and searched where they lie."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from stream_app.domain.history import Entry, Header, columns, contains, entries, extend, find, header, length
from tests.unit.stream_app.domain.samples import NOW_MS, interaction

GOLDEN = bytes.fromhex(
    "01000000 07000000 4e61bc0000000000"  # format, epoch 7, offset 12,345,678
    "0568e5cf8b010000 0068e5cf8b010000"  # newest, oldest
    "3e64f81f441b5c4e 010568e5cf8b0100"  # i1, view
    "d159b7537f4fb34b 050068e5cf8b0100"  # 映画, like
)
GOLDEN_EVENTS = [
    interaction("i1", offset=12_345_677, timestamp_ms=NOW_MS + 5, type_code=1),
    interaction("映画", offset=12_345_678, timestamp_ms=NOW_MS, type_code=5),
]


def pack(*pairs: tuple[int, int]) -> bytes:
    """A record of (item hash, timestamp << 8 | type) entries; the header is not looked at."""
    return bytes([1]) + bytes(31) + b"".join(value.to_bytes(8, "little") for pair in pairs for value in pair)


def test_the_bytes_of_format_1_stay_as_they_are() -> None:
    assert extend(None, GOLDEN_EVENTS, epoch=7, limit=200, max_age_ms=10**9) == GOLDEN


def test_a_stored_record_of_format_1_is_read() -> None:
    assert header(GOLDEN) == Header(1, 7, 12_345_678, NOW_MS + 5, NOW_MS)
    assert length(GOLDEN) == 2
    assert list(entries(GOLDEN)) == [
        Entry(item_hash("i1"), NOW_MS + 5, 1),
        Entry(item_hash("映画"), NOW_MS, 5),
    ]


def test_the_columns_are_the_entries_without_a_copy() -> None:
    window = columns(GOLDEN)
    assert (window.dtype, window.shape) == (np.dtype("<u8"), (2, 2))
    assert not window.flags.owndata
    assert window.tolist() == [[e.item_hash, e.timestamp_ms << 8 | e.type_code] for e in entries(GOLDEN)]


def test_a_window_may_be_empty() -> None:
    empty = GOLDEN[:32]
    assert length(empty) == 0
    assert list(entries(empty)) == []
    assert columns(empty).shape == (0, 2)
    assert not contains(empty, 1)


# Values of few different bytes, so that a search often matches across two fields.
PATTERNED = st.lists(st.sampled_from([0, 1]), min_size=8, max_size=8).map(
    lambda parts: int.from_bytes(bytes(parts), "little")
)


@given(
    pairs=st.lists(st.tuples(PATTERNED, PATTERNED), max_size=12),
    asked=PATTERNED,
    end=st.none() | st.integers(0, 12),
)
def test_a_search_agrees_with_a_walk_over_the_entries(
    pairs: list[tuple[int, int]], asked: int, end: int | None
) -> None:
    hashes = [item for item, _ in pairs[: len(pairs) if end is None else end]]
    end = end if end is None else min(end, len(pairs))
    record = pack(*pairs)
    assert find(record, asked, end=end) == (hashes.index(asked) if asked in hashes else -1)
    assert contains(record, asked, end=end) == (asked in hashes)


def test_a_match_across_two_fields_is_no_match() -> None:
    moment = NOW_MS << 8 | 1
    record = pack((0x1111_2222_3333_4444, moment), (0x5555_6666_7777_8888, moment))
    across_fields = int.from_bytes(record[36:44], "little")
    across_entries = int.from_bytes(record[44:52], "little")
    within_the_header = int.from_bytes(record[28:36], "little")
    for needle in (across_fields, across_entries, within_the_header, moment):
        assert needle.to_bytes(8, "little") in record
        assert not contains(record, needle)


def test_a_true_match_after_false_ones_is_found() -> None:
    needle = 0x0101_0101_0101_0101
    record = pack((0x0101_0101_0101_0102, needle), (2, needle), (needle, 3))
    assert find(record, needle) == 2


def test_of_several_entries_of_an_item_the_first_is_found() -> None:
    assert find(pack((5, 1), (7, 2), (7, 3)), 7) == 1


def test_the_search_ends_before_the_end_that_is_asked_for() -> None:
    record = pack((5, 1), (7, 2))
    assert find(record, 7, end=2) == 1
    assert find(record, 7, end=1) == -1
    assert not contains(record, 5, end=0)

"""Rows of different lengths in one array."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.ragged import beside, ragged_of

ROWS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=6)


@settings(deadline=None)
@given(rows=ROWS)
def test_rows_come_back_as_they_were(rows: list[list[int]]) -> None:
    found = ragged_of(rows)
    assert len(found) == len(rows)
    assert [found[place].tolist() for place in range(len(rows))] == rows
    assert found.lengths.tolist() == [len(row) for row in rows]
    assert found.row.tolist() == [place for place, row in enumerate(rows) for _ in row]
    assert (found.values.dtype, found.start.dtype) == (np.int32, np.int64)


def test_arrays_may_be_rows_too() -> None:
    assert ragged_of([np.array([4, 5], dtype=np.int32), [6]]).values.tolist() == [4, 5, 6]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(*[st.lists(st.integers(0, 99), max_size=4)] * 2), max_size=6))
def test_beside_puts_each_row_of_the_second_after_the_same_row_of_the_first(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    first, second = ragged_of([one for one, _ in pairs]), ragged_of([other for _, other in pairs])
    found = beside(first, second)
    assert [found[place].tolist() for place in range(len(found))] == [one + other for one, other in pairs]
    assert found.start.dtype == np.int64


def test_nothing_is_ragged_as_well() -> None:
    assert len(ragged_of([])) == 0
    assert len(beside(ragged_of([]), ragged_of([]))) == 0
    assert ragged_of([[], []]).lengths.tolist() == [0, 0]

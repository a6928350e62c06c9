"""Columns counted piece by piece give what the whole gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import long_columns
from training.long_columns import first_places, occurrences, smallest


@pytest.fixture(params=[1, 7, 1000], autouse=True)
def rows_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_columns, "ROWS_AT_A_TIME", request.param)


def test_codes_are_counted_and_found_first() -> None:
    codes = np.array([3, 1, 3, 0, 1, 3, 5, 3], dtype=np.int32)
    assert occurrences(codes, 7).tolist() == [1, 2, 0, 4, 0, 1, 0]
    assert first_places(codes, 7).tolist() == [3, 1, 8, 0, 8, 6, 8]
    assert occurrences(codes[:0], 2).tolist() == first_places(codes[:0], 2).tolist() == [0, 0]


def test_the_smallest_are_those_of_a_sort() -> None:
    @given(
        st.lists(st.integers(-5, 5) | st.integers(0, 1 << 20) | st.integers(-(1 << 50), 1 << 50), min_size=1)
    )
    def checked(numbers: list[int]) -> None:
        values = np.array(numbers, dtype=np.int64)
        assert [smallest(values, place) for place in range(len(values))] == sorted(numbers)

    checked()

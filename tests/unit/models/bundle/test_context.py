"""Codes of moments and of circumstances."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.context import BUCKETS, context_codes, field_code, moment_codes


@given(st.integers(0, 1 << 42))
def test_hour_and_weekday_are_those_of_the_calendar(now_ms: int) -> None:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    assert moment_codes(np.array([now_ms])).tolist() == [[moment.hour + 1, moment.weekday() + 1]]


@given(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_value_has_a_code(name: str, value: str | float | bool | None) -> None:
    assert (field_code(name, value) == 0) == (value is None or value == "")
    assert 0 <= field_code(name, value) <= BUCKETS


def test_a_number_is_the_same_with_and_without_a_point_and_truth_is_no_number() -> None:
    assert field_code("n", 3) == field_code("n", 3.0) == field_code("n", "3")
    assert len({field_code("n", one) for one in (True, False, 1, 0, 0.5)}) == 5
    assert field_code("a", "x") != field_code("b", "x")


def test_what_is_not_told_is_absent() -> None:
    contexts = [{"device": "tv", "more": "x"}, None, {"place": "home"}]
    codes = context_codes([0, 0, 3_600_000], contexts, ("device", "place"))
    assert codes.dtype == np.int32
    expected = [[1, 4, field_code("device", "tv"), 0], [1, 4, 0, 0], [2, 4, 0, field_code("place", "home")]]
    assert codes.tolist() == expected
    assert context_codes([0], None, ("device",)).tolist() == [[1, 4, 0]]
    assert context_codes([0], [{"device": "tv"}], ()).tolist() == [[1, 4]]

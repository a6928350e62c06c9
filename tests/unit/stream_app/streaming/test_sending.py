from __future__ import annotations

import pytest

from stream_app.streaming.sending import Pace


def test_max_waits_for_nothing() -> None:
    assert Pace.parse("max").due_s(sent=10**6, elapsed_ms=10**9) == 0


def test_100x_sends_a_hundred_times_as_fast_as_it_happened() -> None:
    assert Pace.parse("100x").due_s(sent=5, elapsed_ms=60_000) == pytest.approx(0.6)


def test_a_rate_sends_evenly_whatever_the_times() -> None:
    assert Pace.parse("500/s").due_s(sent=250, elapsed_ms=10**9) == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", "fast", "0x", "-1x", "100", "x", "0/s", "1e3x"])
def test_another_speed_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="100x"):
        Pace.parse(text)

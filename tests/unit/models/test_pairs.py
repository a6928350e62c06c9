"""Which pairs of events are compared, and which are not even computed."""

from __future__ import annotations

import math

import pytest
import torch

from models.pairs import STRIPE, causal_stripes, newest_stripe

# Two histories of 5 places, the first with two of padding.
REAL = torch.tensor([[0.0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
DELTAS = torch.tensor([[0.0, 0, 60, 7, 0], [90, 60, 30, 30, 5]])


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, STRIPE])
def test_the_stripes_are_the_causal_pairs_with_their_times(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pairs.STRIPE", at_once)
    stripes = causal_stripes(REAL, DELTAS, timed=True)
    assert [place for one in stripes for place in range(5)[one.queries]] == list(range(5))
    assert max(one.queries.stop - one.queries.start for one in stripes) <= at_once
    for one in stripes:
        assert one.keys == slice(0, one.queries.stop)  # no key that none of its queries may see
        assert one.allowed.shape == one.elapsed.shape == (2, 1, len(range(5)[one.queries]), one.keys.stop)
        for row, query in enumerate(range(5)[one.queries]):
            for key in range(5)[one.keys]:
                seen = key <= query
                assert one.allowed[:, 0, row, key].tolist() == [
                    seen and real for real in REAL[:, key].tolist()
                ]
                seconds = float(DELTAS[1, key] - DELTAS[1, query]) if seen else 0.0
                assert float(one.elapsed[1, 0, row, key]) == pytest.approx(math.log1p(seconds))


def test_places_may_be_told_when_they_ask() -> None:
    asked = torch.tensor([[0.0, 60, 7, 0, 0], [60, 30, 30, 5, 0]])
    (stripe,) = causal_stripes(REAL, DELTAS, timed=True, asked=asked)
    assert stripe.elapsed[1, 0, 1, :2].tolist() == pytest.approx([math.log1p(60), math.log1p(30)])
    assert stripe.elapsed[1, 0, 4, :].tolist() == pytest.approx([math.log1p(s) for s in DELTAS[1].tolist()])


def test_the_newest_place_asks_from_now() -> None:
    (stripe,) = newest_stripe(REAL, DELTAS, timed=True)
    assert (stripe.queries, stripe.keys) == (slice(4, 5), slice(0, 5))
    assert stripe.allowed[:, 0, 0].tolist() == REAL.tolist()
    # Its own event lies 5 seconds back, as a worker may ask later than it happened.
    assert float(stripe.elapsed[1, 0, 0, 4]) == pytest.approx(math.log1p(5))


def test_times_that_nobody_asks_for_take_no_memory() -> None:
    for stripe in (*causal_stripes(REAL, DELTAS, timed=False), *newest_stripe(REAL, DELTAS, timed=False)):
        assert stripe.elapsed.untyped_storage().nbytes() == 4 and not stripe.elapsed.any()


def test_a_long_history_is_cut_into_equal_stripes() -> None:
    stripes = causal_stripes(torch.ones(1, 200), torch.zeros(1, 200), timed=False)
    assert [one.queries.stop for one in stripes] == [50, 100, 150, 200]

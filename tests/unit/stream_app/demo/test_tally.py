from __future__ import annotations

import pytest

from stream_app.demo.rivals import Chances
from stream_app.demo.tally import Tally
from stream_app.domain.messages import EventPosition, ModelRef, Outcome

CHANCES = Chances(popularity=0.5, recent_popularity=0.25, random=0.01)


def outcome(offset: int, *, rank: int | None = None, version: str = "m1", role: str = "champion") -> Outcome:
    return Outcome(
        user_id="u",
        item_id="i",
        type="like",
        rank=rank,
        k=10,
        model=ModelRef(version, role),  # type: ignore[arg-type]
        age_ms=1,
        event=EventPosition("events", 0, offset),
        list_offset=offset - 1,
    )


def test_nothing_judged_gives_no_rate() -> None:
    assert Tally().total.rates() == {"model": None, "popularity": None, "random": None}


@pytest.mark.parametrize("outcome_first", [True, False])
def test_it_does_not_matter_which_comes_first(outcome_first: bool) -> None:
    tally = Tally()
    steps = [lambda: tally.rivals_at(0, 5, CHANCES), lambda: tally.outcome(outcome(5, rank=3))]
    for step in reversed(steps) if outcome_first else steps:
        step()
    assert tally.total.rates() == {"model": 1.0, "popularity": 0.5, "random": 0.01}


def test_events_that_trending_was_judged_by_count_for_nobody() -> None:
    tally = Tally()
    for offset, role in enumerate(["fallback", "champion"]):
        tally.rivals_at(0, offset, CHANCES)
        tally.outcome(outcome(offset, rank=1 if role == "fallback" else None, role=role))
    assert (tally.outcomes, tally.total.judged) == (2, 1)
    assert tally.total.rates()["model"] == 0.0


def test_an_outcome_told_twice_counts_once() -> None:
    tally = Tally()
    tally.rivals_at(0, 5, CHANCES)
    tally.outcome(outcome(5, rank=1))
    tally.outcome(outcome(5, rank=1))
    assert (tally.outcomes, tally.total.judged) == (1, 1)


def test_the_history_does_not_count() -> None:
    tally = Tally(live_from={0: 10})
    tally.outcome(outcome(9, rank=1, role="fallback"))
    assert tally.outcomes == 0


def test_the_better_popularity_is_the_rival() -> None:
    tally = Tally()
    for offset in range(4):
        tally.rivals_at(0, offset, Chances(popularity=0.1, recent_popularity=0.2, random=0.0))
        tally.outcome(outcome(offset))
    assert tally.total.rates()["popularity"] == pytest.approx(0.2)


def test_each_version_has_its_own_figures() -> None:
    tally = Tally()
    for offset, version in enumerate(["m1", "m1", "m2"]):
        tally.rivals_at(0, offset, CHANCES)
        tally.outcome(outcome(offset, rank=1 if version == "m2" else None, version=version))
    assert {name: hits.rates()["model"] for name, hits in tally.by_version.items()} == {"m1": 0.0, "m2": 1.0}
    assert tally.total.rates()["model"] == pytest.approx(1 / 3)

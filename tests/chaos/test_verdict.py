"""The soak's verdict: what is missing, too much or repeated too often is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend
from tests.chaos.soak.verdict import verdict
from tests.reference import Found, entry_of

MAX_AGE_MS = 1 << 45
PLACE = (0, b"ann")


def a_run() -> Found:
    """One user with three events, each answered, the last two judged."""
    events = [
        {"user_id": "ann", "item_id": item, "type": "like", "timestamp": 1_700_000_000_000} for item in "abc"
    ]
    source = [
        SimpleNamespace(partition=0, offset=offset, key=b"ann", value=json.dumps(event).encode(), timestamp=0)
        for offset, event in enumerate(events)
    ]
    interactions = [
        Interaction(offset, b"ann", entry_of(event, record_timestamp_ms=0)[0], event["timestamp"], 5, "")  # type: ignore[arg-type]
        for offset, event in enumerate(events)
    ]
    record = extend(None, interactions, epoch=0, limit=30, max_age_ms=MAX_AGE_MS)
    assert record is not None
    lists = [
        {"user_id": "ann", "trigger": {"partition": 0, "offset": offset}, "items": [{"item_id": "elsewhere"}]}
        for offset in range(3)
    ]
    outcomes = [
        {
            **events[offset],
            "event": {"partition": 0, "offset": offset},
            "list_offset": offset - 1,
            "rank": None,
        }
        for offset in (1, 2)
    ]
    return Found(source, {(0, b"ann"): record}, lists, outcomes, [])


def problems_of(found: Found, *, exactly_once: bool = False) -> list[str]:
    return verdict(found, bad=set(), limit=30, max_age_ms=MAX_AGE_MS, exactly_once=exactly_once)[1]


def test_a_run_without_fault_has_no_problem() -> None:
    assert problems_of(a_run(), exactly_once=True) == []


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda found: found.histories.clear(), "1 histories are missing"),
        (lambda found: found.histories.update({PLACE: found.histories[PLACE][:-16]}), "histories differ"),
        (lambda found: found.recommendations.pop(), "no list of their newest event"),
        (lambda found: found.outcomes.pop(), "1 events without an outcome"),
        (lambda found: found.outcomes[0].update(rank=1), "in the lists of that trigger it has {None}"),
        (lambda found: found.recommendations.append(found.recommendations[0]), "had a list more than once"),
    ],
)
def test_each_harm_is_seen(harm: Callable[[Any], Any], words: str) -> None:
    found = a_run()
    harm(found)
    assert any(words in problem for problem in problems_of(found)), problems_of(found)


def test_an_outcome_sent_twice_is_a_problem_only_where_once_was_promised() -> None:
    found = a_run()
    found.outcomes.append(found.outcomes[0])
    assert problems_of(found) == []
    assert problems_of(found, exactly_once=True) == ["1 outcomes more than once"]

"""The decoder against the rules of the contract as `tests.event_rules` has them."""

from __future__ import annotations

import time

import pytest

from stream_app.domain.decoding import Rejected, decode
from tests.chaos.fuzzed_events import bad_events, mutated_events, strange_but_good_events
from tests.event_rules import UNCLEAR, agrees, faults
from tests.event_stream import Pair, as_pair, some_events


def both(pair: Pair) -> tuple[str | None, set[str] | None]:
    """The field that the decoder finds at fault, None where it finds none; and what the rules allow."""
    now_ms = time.time_ns() // 1_000_000
    found = decode(*pair, offset=7, record_timestamp_ms=now_ms)
    allowed = faults(*pair, record_timestamp_ms=now_ms)
    return (found.field if isinstance(found, Rejected) else None), allowed


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_event_is_rejected_for_the_field_that_is_at_fault(seed: int) -> None:
    for bad in bad_events(600, seed=seed):
        field, allowed = both(bad.pair)
        assert field in bad.fields, f"{field} for {bad.fields}: {bad.pair!r:.300}"
        assert allowed is UNCLEAR or bad.fields & allowed, f"{allowed} for {bad.fields}: {bad.pair!r:.300}"


def test_a_good_event_is_accepted_however_strange() -> None:
    for event in some_events(300) + strange_but_good_events():
        assert both(as_pair(event)) == (None, set())


@pytest.mark.parametrize("seed", range(5))
def test_a_mutated_event_is_rejected_if_the_rules_say_so_and_accepted_if_they_do_not(seed: int) -> None:
    mutated = mutated_events(4000, seed=seed)
    verdicts = [(pair, *both(pair)) for pair in mutated]
    wrong = [one for one in verdicts if not agrees(one[1], one[2])]
    assert not wrong, f"{len(wrong)} of {len(mutated)}: {wrong[:3]}"
    good = sum(allowed == set() for _, _, allowed in verdicts)
    unclear = sum(allowed is UNCLEAR for _, _, allowed in verdicts)
    assert good > len(mutated) / 20 > unclear, (good, unclear)

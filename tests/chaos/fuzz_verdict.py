"""Whether each bad event became a dead letter, rightly, and each good one counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES
from tests.chaos.fuzzed_events import Bad
from tests.event_rules import DAY_MS, UNCLEAR, agrees, faults
from tests.event_stream import Pair
from tests.reference import Found, check_answers, check_histories, expected_histories

MEBIBYTE = 1 << 20
ANY_AGE_DAYS = 36_500
"""A mutated timestamp may lie far back: set as the worker's history_days."""

Place = tuple[int, int]


def check_fuzzed(found: Found, *, bad: Iterable[Bad], good: Collection[Pair]) -> Counter[str]:
    """Every record's fate is as it must be; returns how many were good, bad and neither for certain.

    `bad` and `good` are those that are so for certain; of the others the rules decide, where they can.
    """
    fields = _letters(found)
    must_be_bad: defaultdict[Pair, set[str]] = defaultdict(set)
    for one in bad:
        must_be_bad[one.pair] |= one.fields
    wrong, counts = [], Counter[str]()
    for record in found.source:
        pair, field = (record.key, record.value), fields.get((record.partition, record.offset))
        by_the_rules = faults(*pair, record_timestamp_ms=record.timestamp)
        allowed = must_be_bad.get(pair, set() if pair in good else by_the_rules)
        if not (agrees(field, allowed) and agrees(field, by_the_rules)):
            wrong.append(f"{field} at fault, allowed {allowed}, by the rules {by_the_rules}: {pair!r:.200}")
        counts["unclear" if allowed is UNCLEAR else "bad" if allowed else "good"] += 1
    assert not wrong, f"{len(wrong)} of {len(found.source)}: {wrong[:5]}"
    # What passed of the mutated ones was valid JSON, and is in the histories like any good event.
    expected = expected_histories(found.source, max_age_ms=ANY_AGE_DAYS * DAY_MS, bad=frozenset(fields))
    check_histories(found, expected)
    check_answers(found, expected)
    return counts


def _letters(found: Found) -> dict[Place, str]:
    """The field at fault, of each dead letter's source; each letter has its source's key and bytes."""
    source: dict[Place, Any] = {(record.partition, record.offset): record for record in found.source}
    fields: dict[Place, str] = {}
    for letter in found.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        place = int(headers["source-partition"]), int(headers["source-offset"])
        assert place not in fields, f"two dead letters of {place}"
        fields[place] = headers["error-field"]
        record = source[place]
        assert letter.key == record.key
        assert headers["error"] and headers["source-topic"] == record.topic
        assert len(headers["error"].splitlines()) == 1 and len(headers["error"]) < 1000
        if "value-truncated" in headers:
            assert headers["value-truncated"] == str(len(record.value))
            assert len(letter.value) > DEAD_LETTER_MAX_BYTES - MEBIBYTE
            assert record.value.startswith(letter.value)
        else:
            assert letter.value == record.value
    return fields

"""What letters are counted by."""

from __future__ import annotations

import pytest

from stream_app.domain.decoding import Rejected, decode
from stream_app.streaming.dead_letter_log import kind_of

NOW_MS = 1_800_000_000_000


def reason_for(value: bytes, *, key: bytes = b"ann") -> str:
    found = decode(key, value, offset=0, record_timestamp_ms=NOW_MS)
    assert isinstance(found, Rejected)
    return found.reason


def event(rest: bytes) -> bytes:
    return b'{"user_id":"ann","item_id":"tea",' + rest + b"}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (event(b'"type":"stare"'), event(b'"type":"glance"')),
        (event(b'"type":"view","timestamp":9'), event(b'"type":"view","timestamp":1700000000')),
        (
            event(b'"type":"view","timestamp":1900000000000'),
            event(b'"type":"view","timestamp":2000000000000'),
        ),
    ],
)
def test_reasons_that_differ_in_what_the_event_said_are_one_kind(one: bytes, other: bytes) -> None:
    assert reason_for(one) != reason_for(other)
    assert kind_of(reason_for(one)) == kind_of(reason_for(other))


def test_a_kind_keeps_its_words_and_its_remedy() -> None:
    late = kind_of(reason_for(event(b'"type":"view","timestamp":1900000000000')))
    assert late == "timestamp … is more than a day after the record's own …; check the producer's clock"
    wrong = kind_of(reason_for(event(b'"type":"view"'), key=b"bob"))
    assert wrong == "the key … differs from the user_id …"

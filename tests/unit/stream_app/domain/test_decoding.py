from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import (
    EARLIEST_MS,
    LATEST_MS,
    TYPE_CODES,
    Interaction,
    Rejected,
    decode,
)
from stream_app.domain.messages import INTERACTION_TYPES, MAX_ID_BYTES, MAX_VALUE_BYTES
from tests.unit.stream_app.domain.samples import DAY_MS, NOW_MS

GOOD: dict[str, Any] = {"user_id": "u1", "item_id": "i1", "type": "like", "timestamp": NOW_MS - 5}
ABSENT = object()


def event(**fields: object) -> bytes:
    document = {name: value for name, value in {**GOOD, **fields}.items() if value is not ABSENT}
    return json.dumps(document).encode()


def receive(value: bytes | None, *, key: bytes | None = b"u1", at_ms: int = NOW_MS) -> Interaction | Rejected:
    return decode(key, value, offset=7, record_timestamp_ms=at_ms)


def accept(value: bytes, *, key: bytes = b"u1", at_ms: int = NOW_MS) -> Interaction:
    found = receive(value, key=key, at_ms=at_ms)
    assert isinstance(found, Interaction), found
    return found


def refuse(value: bytes | None, *, key: bytes | None = b"u1", at_ms: int = NOW_MS) -> Rejected:
    found = receive(value, key=key, at_ms=at_ms)
    assert isinstance(found, Rejected), found
    assert_fits_a_header(found)
    return found


def assert_fits_a_header(rejected: Rejected) -> None:
    assert rejected.reason and rejected.reason.splitlines() == [rejected.reason]
    assert rejected.reason.isprintable()
    assert len(rejected.reason.encode()) < 2_000
    assert rejected.field in {
        "key",
        "value",
        "user_id",
        "item_id",
        "type",
        "timestamp",
        "event_id",
        "context",
    }


def test_a_good_event_keeps_everything_that_it_says() -> None:
    found = accept(event(event_id="e1", context={"device": "tv", "hour": 20}))
    assert found == Interaction(
        offset=7,
        user=b"u1",
        item_hash=item_hash("i1"),
        timestamp_ms=NOW_MS - 5,
        type_code=TYPE_CODES["like"],
        item_id="i1",
        event_id="e1",
        context={"device": "tv", "hour": 20},
    )


@pytest.mark.parametrize(("code", "name"), list(enumerate(INTERACTION_TYPES, start=1)))
def test_each_type_has_its_code(code: int, name: str) -> None:
    assert accept(event(type=name)).type_code == code


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    assert accept(event(price=[{"a": None}], v="\u2028")) == accept(event())


def test_without_a_timestamp_the_records_own_is_taken() -> None:
    assert accept(event(timestamp=ABSENT)).timestamp_ms == NOW_MS
    assert accept(event(timestamp=None)).timestamp_ms == NOW_MS


def test_a_late_timestamp_is_kept() -> None:
    assert accept(event(timestamp=EARLIEST_MS)).timestamp_ms == EARLIEST_MS


def test_a_timestamp_may_be_up_to_a_day_ahead_of_the_records() -> None:
    assert accept(event(timestamp=NOW_MS + DAY_MS)).timestamp_ms == NOW_MS + DAY_MS
    found = refuse(event(timestamp=NOW_MS + DAY_MS + 1))
    assert found.field == "timestamp"
    assert "more than a day after the record's own" in found.reason


def test_where_the_record_has_no_timestamp_the_events_own_is_believed() -> None:
    assert accept(event(), at_ms=-1).timestamp_ms == NOW_MS - 5
    assert accept(event(timestamp=LATEST_MS), at_ms=-1).timestamp_ms == LATEST_MS


@pytest.mark.parametrize("item", [ABSENT, None, "", "i1"])
def test_forget_goes_with_and_without_an_item(item: object) -> None:
    found = accept(event(type="forget", item_id=item, event_id="e1", context={"a": 1}))
    assert found == Interaction(7, b"u1", 0, NOW_MS - 5, 0, "", "e1", None)


@pytest.mark.parametrize("size", [MAX_ID_BYTES - 1, MAX_ID_BYTES])
def test_ids_of_up_to_256_bytes_are_accepted(size: int) -> None:
    name = "é" * (size // 2) + "x" * (size % 2)
    found = accept(event(user_id=name, item_id=name), key=name.encode())
    assert (found.user, found.item_id) == (name.encode(), name)


def test_a_value_of_exactly_1_mib_is_accepted() -> None:
    padding = MAX_VALUE_BYTES - len(event(x=""))
    assert len(event(x="a" * padding)) == MAX_VALUE_BYTES
    assert accept(event(x="a" * padding)) == accept(event())
    assert "1048577 bytes" in refuse(event(x="a" * (padding + 1))).reason


LONG = "é" * 128 + "x"
BAD: dict[str, tuple[bytes | None, str, str]] = {
    "null value": (None, "value", "the value is null"),
    "empty value": (b"", "value", "not JSON"),
    "no JSON": (b"hello", "value", "not JSON"),
    "cut JSON": (event()[:-1], "value", "not JSON"),
    "two documents": (event() + event(), "value", "not JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + event(), "value", "not JSON"),
    "UTF-16": (event().decode().encode("utf-16"), "value", "not JSON"),
    "no UTF-8": (event().replace(b'"i1"', b'"\xff"'), "value", "not JSON"),
    "surrogate in UTF-8": (event().replace(b'"i1"', b'"\xed\xa0\x80"'), "value", "not JSON"),
    "JSON null": (b"null", "value", "Expected `object`"),
    "array": (b"[1]", "value", "Expected `object`"),
    "text": (b'"a"', "value", "Expected `object`"),
    "NaN": (event(timestamp=float("nan")), "value", "not JSON"),
    "infinity": (event(timestamp=float("-inf")), "value", "not JSON"),
    "NaN in the context": (event(context={"a": float("nan")}), "value", "not JSON"),
    "over 1 MiB": (b" " * (MAX_VALUE_BYTES + 1), "value", "1048577 bytes; at most 1048576"),
    "3 MiB that compress well": (event(x="a" * (3 << 20)), "value", "at most 1048576"),
    "nested arrays": (event(x="X").replace(b'"X"', b"[" * 500_000), "value", "nested too deeply"),
    "nested objects": (b'{"a":' * 200_000, "value", "nested too deeply"),
    "nested context": (event(context="X").replace(b'"X"', b"[" * 500_000), "context", "not a valid event"),
    "no user": (event(user_id=ABSENT), "user_id", "missing required field `user_id`"),
    "null user": (event(user_id=None), "user_id", "Expected `str`"),
    "empty user": (event(user_id=""), "user_id", "length >= 1"),
    "user as a number": (event(user_id=1), "user_id", "Expected `str`"),
    "lone surrogate in the user": (event(user_id="\ud800"), "value", "not JSON"),
    "no item": (event(item_id=ABSENT), "item_id", "only `forget` goes without one"),
    "null item": (event(item_id=None), "item_id", "only `forget` goes without one"),
    "empty item": (event(item_id=""), "item_id", "only `forget` goes without one"),
    "item as a number": (event(item_id=1), "item_id", "Expected `str | null`"),
    "lone surrogate in the item": (event(item_id="a\udfff"), "value", "not JSON"),
    "item of 257 bytes": (event(item_id=LONG), "item_id", "item_id has 257 bytes; at most 256"),
    "event_id of 257 bytes": (event(event_id=LONG), "event_id", "event_id has 257 bytes; at most 256"),
    "item of 257 ASCII bytes": (event(item_id="x" * 257), "item_id", "item_id has 257 bytes"),
    "no type": (event(type=ABSENT), "type", "missing required field `type`"),
    "null type": (event(type=None), "type", "Expected `str`"),
    "empty type": (event(type=""), "type", "Invalid enum value ''"),
    "unknown type": (event(type="watch"), "type", "Invalid enum value 'watch'"),
    "padding is no type": (event(type="padding"), "type", "Invalid enum value 'padding'"),
    "type as its code": (event(type=1), "type", "Expected `str`"),
    "type of several lines": (event(type="a\r\nb\u2028c\x85d\x1b[31m"), "type", "Invalid enum value"),
    "very long type": (event(type="x" * 100_000), "type", "Invalid enum value 'xxx"),
    "type that poses as another field": (event(type="v - at `$.user_id`"), "type", "Invalid enum value"),
    "type that poses as no field": (event(type="missing required field `user_id`"), "type", "Invalid enum"),
    "the second of two types": (event()[:-1] + b',"type":"watch"}', "type", "Invalid enum value"),
    "time as text": (event(timestamp=str(NOW_MS)), "timestamp", "got `str`"),
    "time as a truth value": (event(timestamp=True), "timestamp", "got `bool`"),
    "time with a fraction": (event(timestamp=NOW_MS + 0.5), "timestamp", "got `float`"),
    "time in seconds": (event(timestamp=NOW_MS // 1000), "timestamp", "are these seconds?"),
    "time just too early": (event(timestamp=EARLIEST_MS - 1), "timestamp", "are these seconds?"),
    "negative time": (event(timestamp=-NOW_MS), "timestamp", "are these seconds?"),
    "time in microseconds": (event(timestamp=NOW_MS * 1000), "timestamp", "more than a day after"),
    "time of 64 bits": (event(timestamp=1 << 64), "timestamp", "more than a day after"),
    "time of 4,300 digits": (event(timestamp=10**4299), "timestamp", "more than a day after"),
    "negative time of 4,000 digits": (event(timestamp=-(10**4000)), "timestamp", "are these seconds?"),
    "time of 10,000 digits": (
        event(timestamp=1).replace(b": 1}", b": " + b"9" * 10_000 + b"}"),
        "timestamp",
        "out of range",
    ),
    "time beyond a float": (event(timestamp="X").replace(b'"X"', b"1e999"), "timestamp", "out of range"),
    "event_id as a number": (event(event_id=1), "event_id", "Expected `str | null`"),
    "context as text": (event(context="tv"), "context", "Expected `object | null`"),
    "nested in the context": (event(context={"a": {}}), "context", "got `object`"),
    "null in the context": (event(context={"a": None}), "context", "got `null`"),
    "forget without a user": (event(type="forget", user_id=ABSENT), "user_id", "missing required field"),
    "forget in seconds": (event(type="forget", timestamp=NOW_MS // 1000), "timestamp", "are these seconds?"),
    "forget an item as a number": (event(type="forget", item_id=1), "item_id", "Expected `str | null`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_is_refused_with_its_field_and_reason(name: str) -> None:
    value, field, reason = BAD[name]
    found = refuse(value)
    assert found.field == field, found
    assert reason in found.reason


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "the key is absent"),
        (b'"u1"', "JSON quotes"),
        (b"", "differs from the user_id"),
        (b"u2", "differs from the user_id"),
        (b"u1\n", "differs from the user_id"),
        (b"U1", "differs from the user_id"),
        (b"\xff\xfe\n" * 10_000, "differs from the user_id"),
    ],
)
def test_a_key_that_is_not_the_user_id_is_refused(key: bytes | None, reason: str) -> None:
    found = refuse(event(), key=key)
    assert found.field == "key"
    assert reason in found.reason


def test_a_user_id_of_257_bytes_is_refused() -> None:
    found = refuse(event(user_id=LONG), key=LONG.encode())
    assert found == Rejected("user_id has 257 bytes; at most 256 are accepted", "user_id")


def test_forget_needs_the_right_key_too() -> None:
    assert refuse(event(type="forget"), key=b"u2").field == "key"


@pytest.mark.parametrize(
    ("own", "at_ms", "reason"),
    [
        (ABSENT, -1, "the record has none"),
        (ABSENT, 0, "are these seconds?"),
        (ABSENT, NOW_MS // 1000, "are these seconds?"),
        (ABSENT, LATEST_MS + 1, "lies beyond"),
        (ABSENT, (1 << 63) - 1, "lies beyond"),
        (LATEST_MS + 1, -1, "lies beyond"),
        (LATEST_MS + 1, LATEST_MS, "lies beyond"),
        (1 << 70, (1 << 63) - 1, "more than a day after"),
        (NOW_MS, 0, "more than a day after the record's own 0"),
    ],
)
def test_a_time_that_no_history_can_hold_is_refused(own: object, at_ms: int, reason: str) -> None:
    found = refuse(event(timestamp=own), at_ms=at_ms)
    assert found.field == "timestamp"
    assert reason in found.reason


def test_a_number_of_any_length_gets_a_short_reason() -> None:
    assert len(refuse(event(timestamp=10**4299)).reason) < 200


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ALMOST_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.just("u1") | JSON_VALUES,
        "item_id": st.text() | JSON_VALUES,
        "type": st.sampled_from([*INTERACTION_TYPES, "forget"]) | st.text() | JSON_VALUES,
        "timestamp": st.integers(NOW_MS - DAY_MS, NOW_MS + 2 * DAY_MS) | JSON_VALUES,
        "event_id": st.text() | JSON_VALUES,
        "context": JSON_VALUES,
    },
)


@given(
    value=st.binary() | ALMOST_EVENTS.map(lambda document: json.dumps(document).encode()),
    key=st.just(b"u1") | st.none() | st.binary(),
    at_ms=st.just(NOW_MS) | st.integers(-1, (1 << 63) - 1),
)
def test_whatever_comes_is_an_interaction_or_a_reason(value: bytes, key: bytes | None, at_ms: int) -> None:
    found = receive(value, key=key, at_ms=at_ms)
    if isinstance(found, Rejected):
        assert_fits_a_header(found)
    else:
        assert found.user == key
        assert EARLIEST_MS <= found.timestamp_ms <= LATEST_MS
        assert 0 <= found.type_code <= len(INTERACTION_TYPES)
        assert bool(found.item_id) == bool(found.item_hash) == bool(found.type_code)

"""Bytes of the source topic → an interaction, or the reason why not.

A bad event never stops the stream: it becomes a `Rejected`, and the worker sends its original bytes to the
dead-letter topic with that reason.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

import msgspec

from models.bundle.context import Scalar
from models.bundle.hashing import item_hash
from models.bundle.signature import EVENT_TYPES
from stream_app.domain.messages import FORGET, MAX_ID_BYTES, MAX_VALUE_BYTES, Event

DAY_MS = 86_400_000
EARLIEST_MS = 10**11
"""Milliseconds of March 1973. A smaller number is almost surely in seconds."""
LATEST_MS = (1 << 55) - 1
"""The largest timestamp that a history's entry can hold, with a bit to spare."""

TYPE_CODES = {name: code for code, name in enumerate(EVENT_TYPES) if code}

_decode_event = msgspec.json.Decoder(Event).decode
# The end of msgspec's message names the field; what stands before it can hold text of the event's own.
_FIELD = re.compile(r"(?: - at `\$\.(\w+)[^`]*`|missing required field `(\w+)`)$")
_MAX_REASON = 300


class Interaction(NamedTuple):
    """A good event at its place in the stream.

    `type_code` is the index in `EVENT_TYPES`; 0 stands for `forget`, whose `item_hash` is 0 too.
    """

    offset: int
    user: bytes
    item_hash: int
    timestamp_ms: int
    type_code: int
    item_id: str
    event_id: str | None = None
    context: dict[str, Scalar] | None = None


# A named tuple's own constructor runs in Python, a third of a microsecond for each event.
_interaction = partial(tuple.__new__, Interaction)


class Rejected(NamedTuple):
    """A bad event: why, in one line, and the field at fault (`key` and `value` for the record's own)."""

    reason: str
    field: str


def decode(
    key: bytes | None, value: bytes | None, *, offset: int, record_timestamp_ms: int
) -> Interaction | Rejected:
    """Decode and check one record of the source topic.

    `record_timestamp_ms` is the record's Kafka timestamp; it stands in for a missing `timestamp`, and an
    event more than a day later than it is refused. Below 0 means that the record has none.
    """
    if value is None:
        return Rejected("the value is null; send the event as JSON", "value")
    if len(value) > MAX_VALUE_BYTES:
        return Rejected(f"the value has {len(value)} bytes; at most {MAX_VALUE_BYTES} are accepted", "value")
    try:
        event = _decode_event(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _refusal(error)
    user = event.user_id.encode()
    if key != user:
        return _wrong_key(key, user)
    if len(user) > MAX_ID_BYTES:
        return Rejected(f"user_id has {len(user)} bytes; at most {MAX_ID_BYTES} are accepted", "user_id")
    event_id = event.event_id
    if event_id and len(event_id) > MAX_ID_BYTES // 4 and len(event_id.encode()) > MAX_ID_BYTES:
        # It travels on in every list that the event triggers, which must fit into a record.
        size = len(event_id.encode())
        return Rejected(f"event_id has {size} bytes; at most {MAX_ID_BYTES} are accepted", "event_id")
    timestamp = record_timestamp_ms if event.timestamp is None else event.timestamp
    late = timestamp > record_timestamp_ms + DAY_MS and record_timestamp_ms >= 0
    if late or not EARLIEST_MS <= timestamp <= LATEST_MS:
        return _wrong_time(event.timestamp, record_timestamp_ms)
    if event.type == FORGET:
        return Interaction(offset, user, 0, timestamp, 0, "", event.event_id, None)
    item_id = event.item_id
    if not item_id:
        return Rejected("item_id is missing or empty; only `forget` goes without one", "item_id")
    if len(item_id) > MAX_ID_BYTES // 4 and len(item_id.encode()) > MAX_ID_BYTES:
        size = len(item_id.encode())
        return Rejected(f"item_id has {size} bytes; at most {MAX_ID_BYTES} are accepted", "item_id")
    code = TYPE_CODES[event.type]
    return _interaction(
        (offset, user, item_hash(item_id), timestamp, code, item_id, event.event_id, event.context)
    )


def _wrong_time(timestamp: int | None, record_timestamp_ms: int) -> Rejected:
    if timestamp is None and record_timestamp_ms < 0:
        return Rejected("timestamp is missing and the record has none; send one of them", "timestamp")
    if timestamp is None:
        whose, timestamp = "timestamp is missing and the record's own", record_timestamp_ms
    else:
        whose = "timestamp"
    number = str(timestamp) if abs(timestamp) < 1 << 64 else f"{str(timestamp)[:20]}…"
    if timestamp < EARLIEST_MS:
        hint = "are these seconds? Send milliseconds since the epoch"
        return Rejected(f"{whose} {number} lies before {EARLIEST_MS}: {hint}", "timestamp")
    if timestamp > record_timestamp_ms + DAY_MS and record_timestamp_ms >= 0:
        reason = f"timestamp {number} is more than a day after the record's own {record_timestamp_ms}"
        return Rejected(f"{reason}; check the producer's clock", "timestamp")
    return Rejected(
        f"{whose} {number} lies beyond {LATEST_MS}; send milliseconds since the epoch", "timestamp"
    )


def _wrong_key(key: bytes | None, user: bytes) -> Rejected:
    if key is None:
        hint = "send the user_id as key, so that a user stays on one partition"
        return Rejected(f"the key is absent; {hint}", "key")
    if key == b'"' + user + b'"':
        return Rejected("the key is the user_id in JSON quotes; send the plain user_id", "key")
    return Rejected(f"the key {key[:64]!r} differs from the user_id {user[:64]!r}", "key")


def _refusal(error: Exception) -> Rejected:
    if isinstance(error, RecursionError):
        return Rejected("the value is nested too deeply; send the event as one flat object", "value")
    text = " ".join(str(error).split())
    if not isinstance(error, msgspec.ValidationError):
        return Rejected(f"not JSON: {text[:_MAX_REASON]}", "value")
    found = _FIELD.search(text)
    field = (found[1] or found[2]) if found else "value"
    if len(text) > _MAX_REASON:
        text = f"{text[: _MAX_REASON // 2]} … {text[-_MAX_REASON // 2 :]}"
    return Rejected(f"not a valid event: {text}", field)

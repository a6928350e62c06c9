"""Bytes of the source topic → an interaction, or the reason why not.

A bad event never stops the stream: it becomes a `Rejected`, and the worker sends its original bytes to the
dead-letter topic with that reason.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from models.bundle.hashing import item_hash
from models.bundle.signature import EVENT_TYPES
from stream_app.domain.messages import FORGET, MAX_ID_BYTES, MAX_VALUE_BYTES, Event, Scalar

DAY_MS = 86_400_000
EARLIEST_MS = 10**11
"""Milliseconds of March 1973. A smaller number is almost surely in seconds."""

TYPE_CODES = {name: code for code, name in enumerate(EVENT_TYPES) if code}

_decode_event = msgspec.json.Decoder(Event).decode
_FIELD = re.compile(r"at `\$\.([A-Za-z_]+)")
_MISSING = re.compile(r"missing required field `(\w+)`")


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


class Rejected(NamedTuple):
    """A bad event: one line that says why, and the field at fault (`key` and `value` for the record's own)."""

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
        return _refusal(value, error)
    user = event.user_id.encode()
    if key != user:
        return _wrong_key(key, user)
    if len(user) > MAX_ID_BYTES:
        return Rejected(f"user_id has {len(user)} bytes; at most {MAX_ID_BYTES} are accepted", "user_id")
    timestamp = record_timestamp_ms if event.timestamp is None else event.timestamp
    if timestamp < EARLIEST_MS:
        hint = "are these seconds? Send milliseconds since the epoch"
        return Rejected(f"timestamp {timestamp} lies before {EARLIEST_MS}: {hint}", "timestamp")
    if timestamp > record_timestamp_ms + DAY_MS and (record_timestamp_ms >= 0 or timestamp >= 1 << 55):
        reason = f"timestamp {timestamp} is more than a day after the record's own {record_timestamp_ms}"
        return Rejected(f"{reason}; check the producer's clock", "timestamp")
    if event.type == FORGET:
        return Interaction(offset, user, 0, timestamp, 0, "", event.event_id, None)
    item_id = event.item_id
    if not item_id:
        return Rejected("item_id is missing or empty; only `forget` goes without one", "item_id")
    if len(item_id) > MAX_ID_BYTES // 4 and len(item_id.encode()) > MAX_ID_BYTES:
        return Rejected(f"item_id has {len(item_id.encode())} bytes; at most {MAX_ID_BYTES} are accepted", "item_id")
    return Interaction(
        offset, user, item_hash(item_id), timestamp, TYPE_CODES[event.type], item_id, event.event_id, event.context
    )


def _wrong_key(key: bytes | None, user: bytes) -> Rejected:
    if key is None:
        return Rejected("the key is absent; send the user_id as key, so that a user stays on one partition", "key")
    if key == b'"' + user + b'"':
        return Rejected("the key is the user_id in JSON quotes; send the plain user_id", "key")
    return Rejected(f"the key {key[:64]!r} differs from the user_id {user[:64]!r}", "key")


def _refusal(value: bytes, error: Exception) -> Rejected:
    text = " ".join(str(error).split())[:300]
    if isinstance(error, msgspec.ValidationError):
        found = _FIELD.search(text) or _MISSING.search(text)
        return Rejected(f"not a valid event: {text}", found.group(1) if found else "value")
    return Rejected(f"not JSON: {text}", "value")

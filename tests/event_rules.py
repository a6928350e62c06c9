"""Which events are bad, written anew from the contract with `json` alone: the decoder is held against it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

TYPES = {"view", "click", "cart", "purchase", "like", "dislike", "forget"}
DAY_MS = 24 * 60 * 60 * 1000
ID_BYTES, VALUE_BYTES = 256, 1024 * 1024

_READ = {"user_id", "item_id", "type", "timestamp"}
_NO_JSON = {"value", "context", *_READ}
"""What was read up to where the JSON breaks may have been wrong before."""

UNCLEAR = None
"""The contract does not say: bytes that are no JSON where nobody reads them, or a whole number as `1.0`."""


def faults(key: bytes | None, value: bytes | None, *, record_timestamp_ms: int) -> set[str] | None:
    """Every field that is at fault, `key` and `value` for the record's own; none is a good event.

    UNCLEAR where the event may be taken or not.
    """
    if value is None or len(value) > VALUE_BYTES:
        return {"value"}
    strict = True
    try:
        event = _read(value)
    except (ValueError, RecursionError):
        strict = False
        try:
            event = _read_leniently(value)
        except ValueError:
            return set(_NO_JSON)
        except RecursionError:
            return UNCLEAR
    if not isinstance(event, dict):
        return {"value"}
    if isinstance(event.get("timestamp"), float) and event["timestamp"].is_integer():
        return UNCLEAR
    try:
        found = set(_faults(key, event, record_timestamp_ms))
    except UnicodeEncodeError:  # half of a surrogate pair
        return set(_NO_JSON)
    if strict:
        return found
    return found | _NO_JSON if found or any(_was_mended(event.get(name)) for name in _READ) else UNCLEAR


def agrees(field: str | None, allowed: set[str] | None) -> bool:
    """Whether a rejection for `field`, or an acceptance where it is None, is what `faults` allows."""
    return allowed is UNCLEAR or (field in allowed if allowed else field is None)


def _read(value: bytes) -> Any:
    return json.loads(value.decode(), parse_constant=_refuse)


def _read_leniently(value: bytes) -> Any:
    return json.loads(value.decode(errors="replace"), strict=False, parse_constant=_refuse)


def _was_mended(found: object) -> bool:
    return isinstance(found, str) and any(sign < " " or sign == "\ufffd" for sign in found)


def _faults(key: bytes | None, event: dict[str, Any], record_timestamp_ms: int) -> list[str]:
    user, item, kind = event.get("user_id"), event.get("item_id"), event.get("type")
    at = event.get("timestamp")
    at = record_timestamp_ms if at is None else at
    bad_time = not _is_int(at) or not 10**11 <= at <= record_timestamp_ms + DAY_MS
    wrong = {
        "user_id": not _is_id(user),
        "key": isinstance(user, str) and user != "" and key != user.encode(),
        "type": not isinstance(kind, str) or kind not in TYPES,
        "timestamp": bad_time,
        "item_id": not _is_id(item) and not (kind == "forget" and item in (None, "")),
    }
    return [field for field, is_wrong in wrong.items() if is_wrong]


def _is_id(found: object) -> bool:
    return isinstance(found, str) and 0 < len(found.encode()) <= ID_BYTES


def _is_int(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")

"""What a row of a file is as an event or as an item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from stream_app.cli.tables import Rejects, Row, Table, whole_number
from stream_app.domain.decoding import Rejected, decode
from stream_app.domain.messages import MAX_ID_BYTES, Item, encode
from stream_app.domain.ratings import type_of_rating
from stream_app.streaming.sending import Outgoing

FUTURE_LIMIT_MS = 3_600_000
"""How far ahead of its clock a broker accepts a timestamp by default (message.timestamp.after.max.ms)."""

_TRUE = ("true", "1", "yes")


class _BadField(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def events_of(table: Table, rejects: Rejects, *, now_ms: int) -> Iterator[Outgoing]:
    """The rows as records of the events topic; those that a worker or Kafka would refuse go to `rejects`."""
    for number, row in table:
        try:
            yield _event_record(row, number=number, latest_ms=now_ms + FUTURE_LIMIT_MS)
        except _BadField as bad:
            rejects.add(bad.field, str(bad), row=number)


def items_of(table: Table, rejects: Rejects) -> Iterator[Outgoing]:
    """The rows as records of the items topic; those that are no valid item go to `rejects`."""
    for number, row in table:
        try:
            item = msgspec.convert(_item_fields(row), Item)
        except (msgspec.ValidationError, ValueError) as error:
            at_fault = str(error).partition("$.")[2].partition("`")[0].partition("[")[0]
            rejects.add(at_fault or "item", str(error), row=number)
            continue
        key = item.item_id.encode()
        if len(key) > MAX_ID_BYTES:
            rejects.add("item_id", f"{len(key)} bytes; at most {MAX_ID_BYTES} are accepted", row=number)
        else:
            yield Outgoing(key, encode(item), None)


def _event_record(row: Row, *, number: int, latest_ms: int) -> Outgoing:
    timestamp = whole_number(row.get("timestamp"))
    if timestamp is None:
        raise _BadField("timestamp", f"{row.get('timestamp')!r} is no number of milliseconds")
    if timestamp > latest_ms:
        raise _BadField("timestamp", f"{timestamp} lies in the future; Kafka would refuse it")
    fields = _event_fields(row, timestamp)
    key, value = fields["user_id"].encode(), msgspec.json.encode(fields)
    # The worker's own judgement.
    checked = decode(key, value, offset=number, record_timestamp_ms=timestamp)
    if isinstance(checked, Rejected):
        raise _BadField(checked.field, checked.reason)
    return Outgoing(key, value, timestamp)


def _event_fields(row: Row, timestamp: int) -> dict[str, Any]:
    kind = row.get("type") or _type_by_rating(row.get("rating"))
    # Ids are text, also where a file has numbers.
    fields: dict[str, Any] = {"user_id": _text(row, "user_id"), "type": kind, "timestamp": timestamp}
    if kind != "forget":
        fields["item_id"] = _text(row, "item_id")
    if row.get("event_id") is not None:
        fields["event_id"] = _text(row, "event_id")
    context = _context(row.get("context"))
    if context:
        fields["context"] = context
    return fields


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _type_by_rating(rating: Any) -> str:
    if rating is None:
        return "view"
    try:
        return type_of_rating(float(rating))
    except (TypeError, ValueError):
        raise _BadField("rating", f"{rating!r} is no number") from None


def _context(given: Any) -> dict[str, Any]:
    if isinstance(given, str) and given:  # in a CSV
        try:
            given = json.loads(given)
        except ValueError as error:
            raise _BadField("context", f"not JSON: {error}") from None
    if given and not isinstance(given, dict):
        raise _BadField("context", f"{given!r} is no object")
    return {name: value for name, value in (given or {}).items() if value is not None}


def _item_fields(row: Row) -> dict[str, Any]:
    """The fields of an item; what a row leaves open is left out, what it has beside them is a feature."""
    given = {name: value for name, value in row.items() if value is not None and value != ""}
    fields: dict[str, Any] = {"item_id": str(given.pop("item_id", ""))}
    for name in ("title", "domain"):
        if name in given:
            fields[name] = str(given.pop(name))
    if "categories" in given:
        categories = given.pop("categories")
        listed = categories.split("|") if isinstance(categories, str) else categories
        fields["categories"] = [category for category in listed if category]
    if "available" in given:
        available = given.pop("available")
        fields["available"] = available.lower() in _TRUE if isinstance(available, str) else available
    if "published_at" in given:
        at = given.pop("published_at")
        fields["published_at"] = at if (number := whole_number(at)) is None else number
    if "embedding" in given:
        fields["embedding"] = given.pop("embedding")
    features = given.pop("features", {})
    if isinstance(features, dict):
        features = {**features, **{name: v for name, v in given.items() if isinstance(v, str | int | float)}}
        features = {name: value for name, value in features.items() if value is not None}
    if features:
        fields["features"] = features
    return fields

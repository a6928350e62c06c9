"""A bad record on its way to the dead-letter topic: its original bytes, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from stream_app.domain.decoding import Rejected
from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES

_ROOM_FOR_HEADERS = 64 << 10


class DeadLetter(NamedTuple):
    """As `BatchSender.send_one` takes it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter(record: Any, rejected: Rejected) -> DeadLetter:
    """The letter for a ConsumerRecord; what does not fit is cut, with the header `value-truncated`."""
    headers = [
        ("error", rejected.reason.encode("utf-8", "replace")),
        ("error-field", rejected.field.encode()),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
        ("source-timestamp", str(record.timestamp).encode()),  # stands in for one that the event lacks
    ]
    value = record.value
    room = DEAD_LETTER_MAX_BYTES - _ROOM_FOR_HEADERS - len(record.key or b"")
    if value is not None and len(value) > room:
        headers.append(("value-truncated", str(len(value)).encode()))
        value = value[: max(room, 0)]
    return DeadLetter(record.key, value, headers)

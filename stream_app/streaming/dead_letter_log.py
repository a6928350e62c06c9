"""The dead letters as the topic holds them, and which of them were put back into the stream.

A letter that was put back is marked in the same topic by a record without a value and without an `error`,
whose headers `replayed-partition` and `replayed-offset` name it. Event and mark go out in one transaction
(`dead_letter_replay`), so that a run that is killed leaves both or neither, and a mark is gone no sooner than
its letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from stream_app.streaming.lane.producer import Headers
from stream_app.streaming.whole_topic import open_reader, read_whole

# What differs between letters of one kind: numbers, and what was quoted from an event. An apostrophe within a
# word opens no quotation.
_VARYING = re.compile(r"""(?<!\w)b?(['"]).*?\1(?!\w)|\d+""")


class Place(NamedTuple):
    """Where a letter stands in the dead-letter topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises ValueError."""
        partition, colon, offset = text.partition(":")
        if not (colon and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no place; they look like 0:17, as dead-letters list shows them")
        return cls(int(partition), int(offset))


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A bad event with its original bytes; `truncated` is their whole size where they were cut.

    `sent_at_ms` is the source record's own timestamp, None where the letter does not say.
    """

    place: Place
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    reason: str
    field: str
    source: str
    truncated: int | None
    sent_at_ms: int | None = None
    replayed: bool = False

    def matches(self, text: str | None) -> bool:
        """Whether the reason or the field's name contains the text; None matches all."""
        return text is None or text == self.field or text.lower() in self.reason.lower()


async def read_letters(kafka: Mapping[str, Any], topic: str) -> list[Letter]:
    """Every letter, oldest first; of an event that a crashed worker sent to it twice, the first.

    The same place of the source with other bytes is another event: the topic was made anew.

    Raises TopicProblem, KafkaError.
    """
    letters: dict[tuple[object, ...], Letter] = {}
    replayed: set[Place] = set()
    consumer = open_reader(kafka)
    await consumer.start()
    try:
        async for records in read_whole(consumer, topic, kafka=kafka):
            for record in records:
                headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
                if "error" in headers:
                    letter = _letter(record, headers)
                    origin = letter.source if "source-offset" in headers else letter.place
                    letters.setdefault((origin, letter.key, letter.value), letter)
                elif "replayed-offset" in headers:
                    replayed.add(Place(int(headers["replayed-partition"]), int(headers["replayed-offset"])))
    finally:
        await consumer.stop()
    return [
        replace(letter, replayed=letter.place in replayed)
        for letter in sorted(letters.values(), key=lambda letter: (letter.timestamp_ms, letter.place))
    ]


def mark_of(letter: Letter) -> Headers:
    """The headers of the record that marks a letter as put back."""
    return [
        ("replayed-partition", str(letter.place.partition).encode()),
        ("replayed-offset", str(letter.place.offset).encode()),
    ]


def kind_of(reason: str) -> str:
    """The reason without what varies from event to event, to count letters by."""
    return _VARYING.sub("…", reason)


def _letter(record: Any, headers: Mapping[str, str]) -> Letter:
    cut = headers.get("value-truncated")
    names = ("source-topic", "source-partition", "source-offset")
    topic, partition, offset = (headers.get(name, "?") for name in names)
    return Letter(
        place=Place(record.partition, record.offset),
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        reason=headers["error"],
        field=headers.get("error-field", "?"),
        source=f"{topic}[{partition}]:{offset}",
        truncated=int(cut) if cut else None,
        sent_at_ms=int(headers["source-timestamp"]) if "source-timestamp" in headers else None,
    )

"""Which log a partition's state was made from, so that another one under the same name is noticed.

Kafka starts again at offset 0 when a topic is made anew: every event would look applied and be passed over in
silence. So the history table keeps, for each partition, where the log was last read and what stood there,
under a key that no user can have. It is a history without entries, whose header has

    format u8, 3 bytes of padding, source epoch u32, offset i64, the record's timestamp i64, its CRC-32 i64
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from stream_app.domain.history import FORMAT, HEADER, header

SOURCE_KEY = b"\xff source"
"""Not valid UTF-8, as every user's key is."""


class Source(NamedTuple):
    """The last record of a partition that was applied; offset −1 where none was."""

    epoch: int
    offset: int = -1
    timestamp_ms: int = 0
    crc: int = 0


class Log(NamedTuple):
    """A partition of the source as it is: offsets from `begin` to below `end`.

    `there` is what stands at the offset that was applied last, None where nothing does any more.
    """

    begin: int
    end: int
    there: Source | None = None


def read(record: bytes) -> Source:
    """Raises UnknownFormat where a newer version wrote it."""
    return Source(*header(record)[1:])


def write(source: Source) -> bytes:
    return HEADER.pack(FORMAT, *source)


def source_at(epoch: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None) -> Source:
    """The source as it is known by one record of it."""
    return Source(epoch, offset, timestamp_ms, crc32(value or b"", crc32(key or b"")))


def difference(applied: Source, log: Log) -> str | None:
    """Why the log cannot be the one that the state was made from; None where it can."""
    if log.end <= applied.offset:
        return f"it ends at {log.end}, and its record {applied.offset} was applied"
    if log.there is not None and log.there[1:] != applied[1:]:
        return f"another record stands at {applied.offset} than the one that was applied"
    return None


def lost(applied: Source, log: Log) -> int:
    """How many records were deleted before they were read."""
    return max(log.begin - (applied.offset + 1), 0)

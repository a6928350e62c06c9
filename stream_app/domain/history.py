"""The record of a user: the rolling window of interactions, packed as it is stored.

A record is little-endian: a header of 32 bytes and up to N entries of 16 bytes, oldest first, in the order of
arrival.

    header  format u8, 3 bytes of padding, source epoch u32, offset i64, newest i64, oldest i64
    entry   item hash u64, (timestamp in ms << 8 | type code) u64

`offset` is the source position of the last event applied; `newest` is the latest timestamp that this user has
ever had; `oldest` is a lower bound of the entries' timestamps, which tells whether pruning by age has work.
Histories stay packed from the store to the model inputs: `extend` splices bytes, numpy reads them in place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_app.domain.decoding import Interaction

FORMAT = 1
HEADER = struct.Struct("<B3xIqqq")
ENTRY = struct.Struct("<QQ")
HEADER_BYTES = HEADER.size
ENTRY_BYTES = ENTRY.size
MAX_RECORD_BYTES = 512 * 1024
MAX_LIMIT = (MAX_RECORD_BYTES - HEADER_BYTES) // ENTRY_BYTES
"""The largest window whose record stays within 512 KiB."""

_NEVER = -(1 << 62)
_pack_header = HEADER.pack
_pack_entry = ENTRY.pack
_read_header = HEADER.unpack_from
_read_position = struct.Struct("<4xIq").unpack_from


class UnknownFormat(Exception):
    """A record was written by a newer version; upgrade the worker before it takes over this state."""


class Header(NamedTuple):
    """Where a record stands; (epoch, offset) is the position of the last event applied."""

    format: int
    epoch: int
    offset: int
    newest_ms: int
    oldest_ms: int


class Entry(NamedTuple):
    """One interaction of the window."""

    item_hash: int
    timestamp_ms: int
    type_code: int


def header(record: bytes) -> Header:
    """Read a record's header. Raises UnknownFormat where a newer version wrote it."""
    _check_format(record)
    return Header(*_read_header(record))


def position(record: bytes) -> tuple[int, int]:
    """The source position (epoch, offset) of the last event applied. Raises UnknownFormat."""
    if record[0] != FORMAT:
        _check_format(record)
    at: tuple[int, int] = _read_position(record)
    return at


def _check_format(record: bytes) -> None:
    if record[0] != FORMAT:
        found = f"history format {record[0]} found"
        raise UnknownFormat(f"{found}, this version reads {FORMAT}; upgrade the worker")


def length(record: bytes) -> int:
    """How many interactions the window holds."""
    return (len(record) - HEADER_BYTES) // ENTRY_BYTES


def columns(record: bytes) -> npt.NDArray[np.uint64]:
    """The entries as uint64 [n, 2], a view: item hash; timestamp << 8 | type."""
    return np.frombuffer(record, dtype="<u8", offset=HEADER_BYTES).reshape(-1, 2)


def item_hashes(record: bytes) -> list[int]:
    """The items of the window, oldest first, as often as they occur."""
    hashes: list[int] = columns(record)[:, 0].tolist()
    return hashes


def entries(record: bytes) -> Iterator[Entry]:
    """The window, oldest first."""
    for item, moment in ENTRY.iter_unpack(memoryview(record)[HEADER_BYTES:]):
        yield Entry(item, moment >> 8, moment & 0xFF)


def contains(record: bytes, item_hash: int, *, start: int = 0, end: int | None = None) -> bool:
    """Whether an item is among the entries from `start` to before `end`: searched in the packed bytes."""
    return find(record, item_hash, start=start, end=end) >= 0


def find(record: bytes, item_hash: int, *, start: int = 0, end: int | None = None) -> int:
    """The index of an item's first entry from `start` to before `end`, −1 where there is none."""
    needle = item_hash.to_bytes(8, "little")
    stop = len(record) if end is None else HEADER_BYTES + end * ENTRY_BYTES
    at = record.find(needle, HEADER_BYTES + start * ENTRY_BYTES, stop)
    while at >= 0 and at % ENTRY_BYTES:  # a match across two fields is no match
        at = record.find(needle, at + 1, stop)
    return (at - HEADER_BYTES) // ENTRY_BYTES if at >= 0 else -1


def ages(record: bytes, events: Iterable[Interaction], max_age_ms: int) -> bool:
    """Whether applying the events may drop an entry by its age: conservative, and quick."""
    _, _, _, newest, oldest = _read_header(record)
    for event in events:
        timestamp = event.timestamp_ms
        if timestamp > newest:
            newest = timestamp
        if timestamp < oldest:
            oldest = timestamp
    return bool(oldest < newest - max_age_ms)


def extend(
    record: bytes | None, events: Iterable[Interaction], *, epoch: int, limit: int, max_age_ms: int
) -> bytes | None:
    """Apply a user's events, given in order of arrival; the result depends on history and events alone.

    An event at or below the stored position (epoch, offset) changes nothing, so that a replay is harmless,
    and any cut of the same events into calls gives the same bytes. Entries beyond the last `limit`, and
    entries more than `max_age_ms` before the user's own newest timestamp, are dropped: one wrong clock ages
    nobody else. `forget` erases what came before it; None is returned where nothing is left to store.
    """
    if record is None:
        offset, newest, oldest, body = -1, _NEVER, -_NEVER, b""
    else:
        _check_format(record)
        _, stored_epoch, offset, newest, oldest = _read_header(record)
        if epoch != stored_epoch:
            if epoch < stored_epoch:
                return record
            offset = -1
        body = record[HEADER_BYTES:]
    fresh: list[Interaction] = []
    for event in events:
        if event.offset <= offset:
            continue
        offset = event.offset
        if event.type_code:
            fresh.append(event)
            continue
        record, offset, newest, oldest, body = None, -1, _NEVER, -_NEVER, b""
        fresh.clear()
    if not fresh:
        return record
    times = [event.timestamp_ms for event in fresh]
    latest, earliest = max(newest, *times), min(oldest, *times)
    added = b"".join(
        [_pack_entry(event.item_hash, event.timestamp_ms << 8 | event.type_code) for event in fresh]
    )
    if earliest >= latest - max_age_ms:
        body = (body + added)[-limit * ENTRY_BYTES :]
    else:
        body, latest, earliest = _extend_one_by_one(body, added, newest, oldest, limit, max_age_ms)
    return _pack_header(FORMAT, epoch, offset, latest, earliest) + body


def _extend_one_by_one(
    body: bytes, added: bytes, newest: int, oldest: int, limit: int, max_age_ms: int
) -> tuple[bytes, int, int]:
    # Pruning by age and by count do not commute over a batch: only one by one is every cut of it the same.
    for at in range(0, len(added), ENTRY_BYTES):
        entry = added[at : at + ENTRY_BYTES]
        timestamp = ENTRY.unpack(entry)[1] >> 8
        newest, oldest = max(newest, timestamp), min(oldest, timestamp)
        body += entry
        if oldest < newest - max_age_ms:
            body, oldest = _without_older(body, newest - max_age_ms, newest)
        body = body[-limit * ENTRY_BYTES :]
    return body, newest, oldest


def _without_older(body: bytes, horizon_ms: int, newest: int) -> tuple[bytes, int]:
    window = np.frombuffer(body, dtype="<u8").reshape(-1, 2)
    times = window[:, 1] >> np.uint64(8)
    kept = times >= horizon_ms
    return window[kept].tobytes(), int(times[kept].min(initial=newest))

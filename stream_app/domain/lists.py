"""What a user was last given, and which of it judges an event.

Kept are the lists since the last committed source offset, the last of each chunk, and the newest below it.
After a crash the stream is replayed from an offset that is committed by then, that one or the end of a later
chunk, and each replayed event needs the list that lay before it.

A record is little-endian: format u8, then the lists, newest first, each

    epoch u32, offset i64, emitted_at i64, k u16, count u16, role u8, bytes of the version u8, version,
    count x u64

A version of more than 255 bytes is cut.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import cast, get_args

from msgspec import Struct

from stream_app.domain.history import UnknownFormat
from stream_app.domain.messages import ModelRef, Role

FORMAT = 1
LISTS_MAX = 255
"""Lists kept beside the newest, at most; a commit is asked for long before (`streaming.answering`)."""

_HEAD = struct.Struct("<IqqHHBB")
_POSITION = struct.Struct("<Iq")  # how _HEAD begins
_ROLES: tuple[str, ...] = get_args(Role)
_ROLE_CODES = {role: code for code, role in enumerate(_ROLES)}
_PREFIX = bytes([FORMAT])


class GivenList(Struct, frozen=True, gc=False):
    """A list as it was given; `hashes` are the packed 8-byte item hashes, best first."""

    epoch: int
    offset: int
    emitted_at_ms: int
    k: int
    model: ModelRef
    hashes: bytes

    @property
    def position(self) -> tuple[int, int]:
        """The trigger's place in the source: (epoch, offset)."""
        return self.epoch, self.offset

    def rank(self, item_hash: int) -> int | None:
        """The item's place, 1 at the top; None where it is not in the list."""
        needle = item_hash.to_bytes(8, "little")
        at = self.hashes.find(needle)
        while at >= 0 and at % 8:
            at = self.hashes.find(needle, at + 1)
        return at // 8 + 1 if at >= 0 else None


def read(record: bytes | None) -> tuple[GivenList, ...]:
    """The lists of a record, newest first. Raises UnknownFormat where a newer version wrote it."""
    if record is None:
        return ()
    _check_format(record)
    found, at = [], 1
    while at < len(record):
        epoch, offset, emitted, k, count, role, size = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        model = _model(record[at : at + size], role)
        at += size
        found.append(GivenList(epoch, offset, emitted, k, model, record[at : at + 8 * count]))
        at += 8 * count
    return tuple(found)


def _check_format(record: bytes) -> None:
    if record[0] != FORMAT:
        found_format = f"lists format {record[0]} found"
        raise UnknownFormat(f"{found_format}, this version reads {FORMAT}; upgrade the worker")


@lru_cache(maxsize=1024)
def _model(version: bytes, role: int) -> ModelRef:
    # Cut at 255 bytes, perhaps within a character.
    return ModelRef(version.decode(errors="ignore"), cast(Role, _ROLES[role]))


def position(record: bytes) -> tuple[int, int]:
    """(epoch, offset) of the newest list's trigger. Raises UnknownFormat."""
    if record[0] != FORMAT:
        _check_format(record)
    at: tuple[int, int] = _POSITION.unpack_from(record, 1)
    return at


def judging(lists: tuple[GivenList, ...], epoch: int, offset: int) -> GivenList | None:
    """The newest list whose trigger lies before the event at (epoch, offset); `lists` are newest first."""
    at = epoch, offset
    for given in lists:
        if (given.epoch, given.offset) < at:
            return given
    return None


def remember(
    lists: tuple[GivenList, ...], new: GivenList, *, committed: tuple[int, int]
) -> tuple[GivenList, ...]:
    """The lists to keep once `new` is given; `lists` are those before its chunk, newest first.

    `committed` is the last committed (epoch, offset). A replay can begin there or at the end of any later
    chunk, so that the newest list below it and all above are needed. A list at or below the newest one kept
    changes nothing: on a replay the first that was given stands.
    """
    if lists and new.position <= lists[0].position:
        return lists
    needed = 0
    while needed < len(lists) and lists[needed].position >= committed:
        needed += 1
    return (new, *lists[: needed + 1][:LISTS_MAX])


def write(lists: tuple[GivenList, ...]) -> bytes:
    """The lists as a record."""
    parts = [_PREFIX]
    for given in lists:
        version = given.model.version.encode()[:255]
        parts.append(
            _HEAD.pack(
                given.epoch,
                given.offset,
                given.emitted_at_ms,
                given.k,
                len(given.hashes) // 8,
                _ROLE_CODES[given.model.role],
                len(version),
            )
        )
        parts.append(version)
        parts.append(given.hashes)
    return b"".join(parts)

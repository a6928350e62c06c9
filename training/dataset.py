"""Interactions → each user's sequence in memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from models.bundle.signature import EVENT_TYPES
from models.bundle.vocabulary import Vocabulary
from training import long_columns
from training.interactions import Interactions
from training.long_columns import occurrences, pieces
from training.sources.array_file import column_files, mapped_columns

POSITIVE_TYPES = tuple(name for name in EVENT_TYPES if name not in ("padding", "dislike"))
"""The types that are targets by default. Every event, whatever its type, is input."""


@dataclass(frozen=True, kw_only=True)
class HistoryRules:
    """How histories are kept and read, the same as the worker's settings.

    `max_length` is L, `history_limit` N; an event older than `max_age_ms` before its user's newest is
    dropped.
    """

    max_length: int = 50
    history_limit: int = 200
    max_age_ms: int = 180 * 86_400_000
    positive_types: tuple[str, ...] = POSITIVE_TYPES

    @property
    def window_length(self) -> int:
        """How many events a window holds at most: what is read of what is stored."""
        return min(self.max_length, self.history_limit)

    @property
    def positive_codes(self) -> tuple[int, ...]:
        """The codes of `positive_types`."""
        return tuple(EVENT_TYPES.index(name) for name in self.positive_types)


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """All users' events, one user after the other, each in order of arrival.

    row           int32 [n], the catalogue's row; 0 = unknown to the vocabulary
    type_code     uint8 [n]
    timestamp_ms  int64 [n]
    newest_ms     int64 [n], the user's latest timestamp up to and including the event
    start         int64 [users + 1], where each user begins
    context       int16 [n, fields], as of `Interactions`; None where the log has none
    """

    row: NDArray[np.int32]
    type_code: NDArray[np.uint8]
    timestamp_ms: NDArray[np.int64]
    newest_ms: NDArray[np.int64]
    start: NDArray[np.int64]
    context: NDArray[np.int16] | None = None

    def first_of(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the users of the events at `place` [n] begin: int64 [n]."""
        first: NDArray[np.int64] = self.start[np.searchsorted(self.start, place, side="right") - 1]
        return first


def vocabulary_of(interactions: Interactions, *, least_count: int = 1) -> Vocabulary:
    """The items that occur at least `least_count` times, most frequent first, then by first occurrence."""
    counts = occurrences(interactions.item, len(interactions.items))
    frequent_first = np.argsort(-counts, kind="stable")
    return Vocabulary(
        [interactions.items[item] for item in frequent_first if counts[item] >= max(least_count, 1)]
    )


def write_sequences(interactions: Interactions, vocabulary: Vocabulary, folder: Path) -> Sequences:
    """Sort by user and write an array per column to `folder`; they are mapped, not read, into memory.

    Done for some users at a time: no more than their events is copied.
    """
    row_of_item = np.array([vocabulary.row(item) for item in interactions.items], dtype=np.int32)
    counts = occurrences(interactions.user, len(interactions.users))
    start = np.append(0, np.cumsum(counts[counts > 0])).astype(np.int64)
    dtypes: dict[str, DTypeLike] = {
        "row": np.int32,
        "type_code": np.uint8,
        "timestamp_ms": np.int64,
        "newest_ms": np.int64,
    }
    widths = dict[str, int]()
    if interactions.context is not None:
        dtypes["context"], widths["context"] = np.int16, interactions.context.shape[1]
    with column_files(folder, dtypes, length=len(interactions), widths=widths) as files:
        for first, last in _some_users(counts):
            place = _events_of(interactions.user, first, last)
            user = interactions.user[place] - first
            if last - first < 1 << 16:
                user = user.astype(np.uint16)  # sorted by counting
            order = np.argsort(user, kind="stable")  # arrival order within each user
            timestamp = interactions.timestamp_ms[place][order]
            files["row"].append(row_of_item[interactions.item[place][order]])
            files["type_code"].append(interactions.type_code[place][order])
            files["timestamp_ms"].append(timestamp)
            if interactions.context is not None:
                files["context"].append(interactions.context[place][order])
            own = counts[first : last + 1]
            files["newest_ms"].append(_running_newest(timestamp, np.append(0, np.cumsum(own[own > 0]))))
    np.save(folder / "start.npy", start)
    return Sequences(**mapped_columns(folder, (*dtypes, "start")))


def _events_of(user: NDArray[np.int32], first: int, last: int) -> NDArray[np.int64]:
    found = [
        piece.start + np.flatnonzero((user[piece] >= first) & (user[piece] <= last))
        for piece in pieces(len(user))
    ]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _some_users(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The first and the last user of each share of about `long_columns.ROWS_AT_A_TIME` events."""
    share = (np.cumsum(counts) - 1) // long_columns.ROWS_AT_A_TIME  # -1 before anybody's first event
    ends = np.append(np.flatnonzero(np.diff(share, prepend=-1)), len(counts)).tolist()
    yield from ((first, after - 1) for first, after in pairwise(ends))


def _running_newest(timestamp: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    falls = np.diff(timestamp, prepend=timestamp[:1]) < 0
    falls[start[:-1]] = False
    newest = timestamp.copy()
    # Most users' clocks never go back: only the others need a second look.
    for user in np.unique(np.searchsorted(start, np.flatnonzero(falls), side="right") - 1):
        piece = slice(start[user], start[user + 1])
        newest[piece] = np.maximum.accumulate(timestamp[piece])
    return newest

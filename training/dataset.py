"""Interactions → each user's sequence in memory-mapped arrays → windows to train on.

A window is what the worker would encode at its last event: the stored history (`stream_app.domain.history`)
under the conventions of `stream_app.domain.encoding`. The tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bundle.signature import EVENT_TYPES
from models.bundle.vocabulary import Vocabulary
from training.interactions import Interactions
from training.sources.array_file import ArrayFile, mapped

POSITIVE_TYPES = tuple(name for name in EVENT_TYPES if name not in ("padding", "dislike"))
"""The types that are targets by default. Every event, whatever its type, is input."""

_ROWS_AT_A_TIME = 4_000_000


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
    """

    row: NDArray[np.int32]
    type_code: NDArray[np.uint8]
    timestamp_ms: NDArray[np.int64]
    newest_ms: NDArray[np.int64]
    start: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingWindows:
    """A batch of windows; position i is followed by the target i.

    item_ids, event_types  int32 [batch, L], left-padded
    time_deltas            float32 [batch, L], seconds before the window's last event
    targets                int32 [batch, L], rows; 0 = nothing to learn here
    target_ms              int64 [batch, L], the targets' timestamps, to weigh them by
    """

    item_ids: NDArray[np.int32]
    event_types: NDArray[np.int32]
    time_deltas: NDArray[np.float32]
    targets: NDArray[np.int32]
    target_ms: NDArray[np.int64]


def vocabulary_of(interactions: Interactions, *, least_count: int = 1) -> Vocabulary:
    """The items that occur at least `least_count` times, most frequent first, then by first occurrence."""
    counts = np.bincount(interactions.item, minlength=len(interactions.items))
    frequent_first = np.argsort(-counts, kind="stable")
    return Vocabulary(
        [interactions.items[item] for item in frequent_first if counts[item] >= max(least_count, 1)]
    )


def write_sequences(interactions: Interactions, vocabulary: Vocabulary, folder: Path) -> Sequences:
    """Sort by user and write an array per column to `folder`; they are mapped, not read, into memory.

    Done for some users at a time: beyond the interactions it needs about 3 bytes for each of them.
    """
    row_of_item = np.array([vocabulary.row(item) for item in interactions.items], dtype=np.int32)
    counts = _events_of_user(interactions)
    start = np.append(0, np.cumsum(counts[counts > 0])).astype(np.int64)
    dtypes = {"row": np.int32, "type_code": np.uint8, "timestamp_ms": np.int64, "newest_ms": np.int64}
    with ExitStack() as open_files:
        files = {
            name: open_files.enter_context(
                ArrayFile(folder / f"{name}.npy", dtype=dtype, length=len(interactions))
            )
            for name, dtype in dtypes.items()
        }
        for first, last in _some_users(counts):
            place = np.flatnonzero((interactions.user >= first) & (interactions.user <= last))
            user = interactions.user[place] - first
            if last - first < 1 << 16:
                user = user.astype(np.uint16)  # sorted by counting
            order = np.argsort(user, kind="stable")  # arrival order within each user
            timestamp = interactions.timestamp_ms[place][order]
            files["row"].append(row_of_item[interactions.item[place][order]])
            files["type_code"].append(interactions.type_code[place][order])
            files["timestamp_ms"].append(timestamp)
            own = counts[first : last + 1]
            files["newest_ms"].append(_running_newest(timestamp, np.append(0, np.cumsum(own[own > 0]))))
    np.save(folder / "start.npy", start)
    return Sequences(**{name: mapped(folder / f"{name}.npy") for name in (*dtypes, "start")})


def _events_of_user(interactions: Interactions) -> NDArray[np.int64]:
    counts = np.zeros(len(interactions.users), dtype=np.int64)
    for begin in range(0, len(interactions), _ROWS_AT_A_TIME):
        # Counted piece by piece: counting makes a copy of its input, twice as wide.
        piece = interactions.user[begin : begin + _ROWS_AT_A_TIME]
        counts += np.bincount(piece, minlength=len(counts))
    return counts


def _some_users(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The first and the last user of each share of about `_ROWS_AT_A_TIME` events."""
    share = (np.cumsum(counts) - 1) // _ROWS_AT_A_TIME  # -1 before anybody's first event
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


def plan_windows(
    sequences: Sequences, *, max_length: int, random: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Windows that make every event but a user's first a target once: int64 [windows, 2].

    Column 0 is the place of a window's last event, column 1 how many of its last positions learn. With
    `random` the cuts of longer sequences begin at another place each time, so that no item keeps its
    position.
    """
    lengths = np.diff(sequences.start) - 1  # positions that have a next event
    users = np.flatnonzero(lengths > 0)
    length, start = lengths[users], sequences.start[users]
    shift = np.zeros(len(users), dtype=np.int64)
    if random is not None:
        shift = np.where(length > max_length, random.integers(0, max_length, len(users)), 0)
    rest = length - shift
    count = -(-rest // max_length)
    owner = np.repeat(np.arange(len(users)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    end = rest[owner] - number * max_length
    whole = np.stack([start[owner] + end - 1, np.minimum(end, max_length)], axis=1)
    cut_off = shift > 0
    newest = np.stack([(start + length - 1)[cut_off], shift[cut_off]], axis=1)
    return np.concatenate([whole, newest])


def cut_windows(
    sequences: Sequences,
    plan: NDArray[np.int64],
    rules: HistoryRules,
    *,
    held_out: NDArray[np.bool_] | None = None,
) -> TrainingWindows:
    """Cut the windows of a plan [batch, 2] out of the sequences; an event of `held_out` [n] is no target.

    Equal to what the worker stores and encodes, but for users with more than N events whose times jump back
    by more than the age limit: the worker may then remember a few events more.
    """
    last, learning = plan[:, 0], plan[:, 1]
    place, known = _remembered(sequences, last, rules)
    rank = np.cumsum(known[:, ::-1], axis=1)[:, ::-1]  # 1 for the newest known event
    window, source = np.nonzero(known & (rank <= rules.max_length))
    column = rules.max_length - rank[window, source]
    chosen = place[window, source]

    shape = (len(plan), rules.max_length)
    item_ids, event_types = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    time_deltas, targets = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int32)
    target_ms = np.zeros(shape, dtype=np.int64)
    item_ids[window, column] = sequences.row[chosen]
    event_types[window, column] = sequences.type_code[chosen]
    elapsed = sequences.timestamp_ms[last][window] - sequences.timestamp_ms[chosen]
    time_deltas[window, column] = np.maximum(elapsed, 0) / 1000.0
    behind = rules.history_limit - 1 - source
    wanted = np.isin(sequences.type_code[chosen + 1], rules.positive_codes) & (behind < learning[window])
    if held_out is not None:
        wanted &= ~held_out[chosen + 1]
    targets[window, column] = np.where(wanted, sequences.row[chosen + 1], 0)
    target_ms[window, column] = sequences.timestamp_ms[chosen + 1]
    return TrainingWindows(
        item_ids=item_ids,
        event_types=event_types,
        time_deltas=time_deltas,
        targets=targets,
        target_ms=target_ms,
    )


def stored_rows(sequences: Sequences, last: NDArray[np.int64], rules: HistoryRules) -> NDArray[np.int32]:
    """What is stored of a user at the events `last` [n]: rows int32 [n, N], newest last, 0 = nothing."""
    place, known = _remembered(sequences, last, rules)
    return np.where(known, sequences.row[place], 0).astype(np.int32)


def _remembered(
    sequences: Sequences, last: NDArray[np.int64], rules: HistoryRules
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The N places up to `last` [n], newest last, and which of them are stored: both [n, N]."""
    first = sequences.start[np.searchsorted(sequences.start, last, side="right") - 1]
    behind = np.arange(rules.history_limit - 1, -1, -1)
    place = last[:, None] - behind
    inside = place >= first[:, None]
    place = np.maximum(place, 0)
    row, moment = sequences.row[place], sequences.timestamp_ms[place]
    known = inside & (row > 0) & (moment >= sequences.newest_ms[last][:, None] - rules.max_age_ms)
    return place, known

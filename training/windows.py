"""Sequences → windows to train on.

A window is what the worker would encode at its last event: the stored history (`stream_app.domain.history`)
under the conventions of `stream_app.domain.encoding`. The tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.bundle.context import MOMENT_COLUMNS, moment_codes
from models.encoder_config import QueryTime
from training.dataset import HistoryRules, Sequences


@dataclass(frozen=True, kw_only=True)
class TrainingWindows:
    """A batch of windows; position i is followed by the target i.

    item_ids, event_types  int32 [batch, L], left-padded
    time_deltas            float32 [batch, L], seconds before the window's last event, or, with the query time
                           "target", before the target that follows it
    targets                int32 [batch, L], rows; 0 = nothing to learn here
    target_types           int32 [batch, L], the codes of the targets' types, 0 where there is none
    target_ms              int64 [batch, L], the targets' timestamps, to weigh them by
    context                int32 [batch, L, C], each position's own circumstances; None unless asked
    """

    item_ids: NDArray[np.int32]
    event_types: NDArray[np.int32]
    time_deltas: NDArray[np.float32]
    targets: NDArray[np.int32]
    target_types: NDArray[np.int32]
    target_ms: NDArray[np.int64]
    context: NDArray[np.int32] | None = None

    def without_padding(self) -> TrainingWindows:
        """Cut to the longest: without the columns at the left that are padding in every window."""
        real = np.flatnonzero((self.item_ids > 0).any(axis=0))
        first = int(real[0]) if len(real) else self.item_ids.shape[1] - 1
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(
            self, **{name: column[:, first:] for name, column in columns.items() if column is not None}
        )


def plan_windows(
    sequences: Sequences, rules: HistoryRules, *, random: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Windows that make every event but a user's first a target once: int64 [windows, 2].

    Column 0 is the place of a window's last event, column 1 how many of its last positions learn: as many as
    are remembered at its end, by number and by age, or all that no other window has. With `random` a stretch
    that needs several windows is cut at other places each time, so that no item in it keeps its position.

    Lost is an event whose predecessor is unknown, or came so late by its own clock that it was forgotten.
    """
    start = sequences.start[:-1]
    last = sequences.start[1:] - 2  # the newest position that has a next event
    users = np.flatnonzero(last >= start)
    start, last = start[users], last[users]
    size = rules.window_length
    ends_stretch = np.ones(len(last), dtype=bool)
    planned = [np.zeros((0, 2), dtype=np.int64)]
    while len(last):
        first = np.maximum(start, last - size + 1)
        oldest = oldest_remembered(sequences, last, first, rules)
        cut_by_age = oldest > first
        if random is not None:
            drawn = np.maximum(first, last - random.integers(0, size, len(last)))
            oldest = np.where(ends_stretch & ~cut_by_age & (first > start), drawn, oldest)
        planned.append(np.stack([last, last - oldest + 1], axis=1))
        more = oldest > start
        start, last, ends_stretch = start[more], oldest[more] - 1, cut_by_age[more]
    return np.concatenate(planned)


def oldest_remembered(
    sequences: Sequences, last: NDArray[np.int64], first: NDArray[np.int64], rules: HistoryRules
) -> NDArray[np.int64]:
    """The first place from `first` [n] on that is not too old at `last` [n], int64 [n]."""
    bound = sequences.newest_ms[last] - rules.max_age_ms
    low, high = first, last
    while (low < high).any():  # by bisection: a user's newest times never fall
        middle = (low + high) // 2
        too_old = sequences.newest_ms[middle] < bound
        low, high = np.where(too_old, np.minimum(middle + 1, high), low), np.where(too_old, high, middle)
    return low


def cut_windows(
    sequences: Sequences,
    plan: NDArray[np.int64],
    rules: HistoryRules,
    *,
    held_out: NDArray[np.bool_] | None = None,
    target_codes: Sequence[int] | None = None,
    with_context: bool = False,
    query_time: QueryTime = "event",
) -> TrainingWindows:
    """Cut the windows of a plan [batch, 2] out of the sequences.

    An event of `held_out` [n] is no target; `target_codes` are the types that are, the positive ones by
    default.

    Equal to what the worker stores and encodes at a window's last event, but for users with more than N
    events whose times jump back by more than the age limit: the worker may then remember a few events more.
    Positions before the last see what the window holds, which is what the worker would see, or less.
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
    target_types, target_ms = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int64)
    item_ids[window, column] = sequences.row[chosen]
    event_types[window, column] = sequences.type_code[chosen]
    asked = int(query_time == "target")  # so many events after a position's own lies its now
    elapsed = sequences.timestamp_ms[last + asked][window] - sequences.timestamp_ms[chosen]
    time_deltas[window, column] = np.maximum(elapsed, 0) / 1000.0
    behind = rules.history_limit - 1 - source
    next_type = sequences.type_code[chosen + 1]
    codes = rules.positive_codes if target_codes is None else target_codes
    wanted = np.isin(next_type, codes) & (behind < learning[window])
    if held_out is not None:
        wanted &= ~held_out[chosen + 1]
    targets[window, column] = np.where(wanted, sequences.row[chosen + 1], 0)
    target_types[window, column] = np.where(wanted, next_type, 0)
    target_ms[window, column] = sequences.timestamp_ms[chosen + 1]
    context = None
    if with_context:
        own = 0 if sequences.context is None else sequences.context.shape[1]
        context = np.zeros((*shape, MOMENT_COLUMNS + own), dtype=np.int32)
        context[window, column, :MOMENT_COLUMNS] = moment_codes(sequences.timestamp_ms[chosen + asked])
        if sequences.context is not None:
            context[window, column, MOMENT_COLUMNS:] = sequences.context[chosen]
    return TrainingWindows(
        item_ids=item_ids,
        event_types=event_types,
        time_deltas=time_deltas,
        targets=targets,
        target_types=target_types,
        target_ms=target_ms,
        context=context,
    )


def stored_rows(sequences: Sequences, last: NDArray[np.int64], rules: HistoryRules) -> NDArray[np.int32]:
    """What is stored of a user at the events `last` [n]: rows int32 [n, N], newest last, 0 = nothing."""
    place, known = _remembered(sequences, last, rules)
    return np.where(known, sequences.row[place], 0).astype(np.int32)


def _remembered(
    sequences: Sequences, last: NDArray[np.int64], rules: HistoryRules
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The N places up to `last` [n], newest last, and which of them are stored: both [n, N]."""
    first = sequences.first_of(last)
    behind = np.arange(rules.history_limit - 1, -1, -1)
    place = last[:, None] - behind
    inside = place >= first[:, None]
    place = np.maximum(place, 0)
    row, moment = sequences.row[place], sequences.timestamp_ms[place]
    known = inside & (row > 0) & (moment >= sequences.newest_ms[last][:, None] - rules.max_age_ms)
    return place, known

"""Where a session ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.evaluation.histories import Histories
from training.evaluation.ragged import Ragged
from training.interactions import Interactions
from training.rivals.sparse import matrix_of


def sessions_of(log: Interactions, *, gap_ms: int | None) -> tuple[csr_array, NDArray[np.int32]]:
    """Which session holds which item, float32 [sessions, items], and whose each is, int32 [sessions].

    A session is a user's events, cut where more than `gap_ms` pass between two. The newest comes first: by
    the time of its latest event; where that is equal, by the place of its last in the log.
    """
    order = np.argsort(log.user, kind="stable")
    user, time_ms = log.user[order], log.timestamp_ms[order]
    begins = (np.diff(user, prepend=-1) != 0) | _pauses(time_ms, gap_ms)
    first = np.flatnonzero(begins)
    newest_ms, last_place = (
        np.maximum.reduceat(column, first) if len(first) else column for column in (time_ms, order)
    )
    newest_first = np.lexsort((-last_place, -newest_ms))
    number = np.argsort(newest_first)[np.cumsum(begins) - 1]
    holds = matrix_of(number, log.item[order], shape=(len(first), len(log.items)))
    return holds, user[first][newest_first]


def going_on(histories: Histories, *, gap_ms: int | None, last: int) -> Ragged:
    """The item codes of each history's newest session, at most the `last` of them."""
    item = histories.item
    row, place = item.row, np.arange(len(item.values))
    begin = np.maximum(item.start[:-1], item.start[1:] - last)
    pause = _pauses(histories.timestamp_ms, gap_ms)
    np.maximum.at(begin, row[pause], place[pause])
    start = np.concatenate([[0], np.cumsum(item.start[1:] - begin)])
    return Ragged(values=item.values[place >= begin[row]], start=start)


def _pauses(time_ms: NDArray[np.int64], gap_ms: int | None) -> NDArray[np.bool_]:
    if gap_ms is None:
        return np.zeros(len(time_ms), dtype=bool)
    return np.diff(time_ms, prepend=time_ms[:1]) > gap_ms

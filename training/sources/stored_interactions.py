"""An interaction log on disk: an array per column, mapped into memory, and what belongs to it as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.interactions import Interactions, RejectedRow
from training.sources.array_file import column_files, mapped_columns
from training.sources.judged_rows import Rejections
from training.sources.runs import Ids, Runs
from training.sources.within_day import id_hashes, order_hashes

_COLUMNS = {
    "user": np.int32, "item": np.int32, "type_code": np.uint8, "timestamp_ms": np.int64, "rating": np.float32,
}  # fmt: skip
_REST = "log.json"
_ROWS_AT_A_TIME = 2_000_000
_ROWS_TO_HASH = 1 << 16  # what is computed on the way stays in the processor's cache


def write_interactions(
    runs: Runs, rejections: Rejections, folder: Path, *, on_rows: Callable[[int], None] = lambda done: None
) -> None:
    """Write the rows in order of time, those of one time in the order of `within_day`, and equal ones among
    these as they came. `on_rows` is told how many are written."""
    hash_of_user, hash_of_item = id_hashes(runs.users.names), id_hashes(runs.items.names)
    users, items = _Renumbered(runs.users), _Renumbered(runs.items)
    done = 0
    with column_files(folder, _COLUMNS, length=len(runs)) as files:
        for time_ms, columns in runs.spans(rows=_ROWS_AT_A_TIME):
            order = _order(time_ms, columns["user"], columns["item"], hash_of_user, hash_of_item)
            files["user"].append(users.codes(columns["user"][order]))
            files["item"].append(items.codes(columns["item"][order]))
            files["timestamp_ms"].append(time_ms[order])
            for name in ("type_code", "rating"):
                files[name].append(columns[name][order])
            done += len(order)
            on_rows(done)
    rest = {
        "users": users.names(),
        "items": items.names(),
        "rejected": rejections.count,
        "rejected_rows": [[row.file, row.line, row.reason] for row in rejections.first],
    }
    (folder / _REST).write_text(json.dumps(rest))


def open_interactions(folder: Path, *, named: Callable[[str], str]) -> Interactions:
    """What was written, its columns mapped: not read before they are used, and not to be changed.

    `named` says what a rejected row's file is called now. Raises OSError or ValueError where something is
    missing.
    """
    rest: dict[str, Any] = json.loads((folder / _REST).read_text())
    return Interactions(
        users=tuple(rest["users"]),
        items=tuple(rest["items"]),
        rejected=rest["rejected"],
        rejected_rows=tuple(
            RejectedRow(file=named(file), line=line, reason=reason)
            for file, line, reason in rest["rejected_rows"]
        ),
        **mapped_columns(folder, _COLUMNS),
    )


def _order(
    time_ms: NDArray[np.int64],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    hash_of_user: NDArray[np.uint64],
    hash_of_item: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """The places of rows in order of time and hash: int64 [n]."""
    hashes = np.empty(len(user), dtype=np.uint64)
    for start in range(0, len(user), _ROWS_TO_HASH):
        piece = slice(start, start + _ROWS_TO_HASH)
        hashes[piece] = order_hashes(hash_of_user[user[piece]], hash_of_item[item[piece]])
    by_hash = np.argsort(hashes, kind="stable")
    times, rank = np.unique(time_ms, return_inverse=True)
    if len(times) <= 1 << 16:
        rank = rank.astype(np.uint16)  # sorted by counting
    return by_hash[np.argsort(rank[by_hash], kind="stable")]


class _Renumbered:
    """Numbers for ids in the order of their first row, as every log has them."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._number = np.full(len(ids), -1, dtype=np.int32)
        self._count = 0

    def codes(self, old: NDArray[np.int32]) -> NDArray[np.int32]:
        new = old[self._number[old] < 0]
        if len(new):
            different, first = np.unique(new, return_index=True)
            different = different[np.argsort(first)]
            self._number[different] = np.arange(self._count, self._count + len(different))
            self._count += len(different)
        return self._number[old]

    def names(self) -> Sequence[str]:
        names = self._ids.names
        return [names[old] for old in np.argsort(self._number)]

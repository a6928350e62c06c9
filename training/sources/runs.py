"""Many rows, sorted by time some at a time and put on disk: what is then merged into one order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.sources.array_file import mapped

COLUMNS = {"user": np.int32, "item": np.int32, "type_code": np.uint8, "rating": np.float32}
"""What is kept of a row besides its time."""

Columns = dict[str, NDArray[Any]]


class Ids:
    """Numbers for ids, from 0, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"id": pl.String, "code": pl.Int32})

    def __len__(self) -> int:
        return len(self._known)

    @property
    def names(self) -> list[str]:
        """The ids, in order of their numbers."""
        return self._known["id"].to_list()

    def codes(self, ids: pl.Series) -> NDArray[np.int32]:
        """The numbers of a column of ids, none of which is missing: int32 [n]."""
        found = self._look_up(ids)
        is_new = found.is_null()
        new = ids.filter(is_new)
        if not len(new):
            return found.to_numpy()
        different, first = new.unique(maintain_order=True), len(self._known)
        numbers = pl.int_range(first, first + len(different), dtype=pl.Int32, eager=True)
        self._known = self._known.vstack(pl.DataFrame({"id": different, "code": numbers}))
        codes = found.fill_null(-1).to_numpy(writable=True)
        codes[is_new.to_numpy()] = self._look_up(new).to_numpy()
        return codes

    def _look_up(self, ids: pl.Series) -> pl.Series:
        return (
            ids.rename("id").to_frame().join(self._known, on="id", how="left", maintain_order="left")["code"]
        )


class Runs:
    """Rows in runs, each of them in order of time. There are few different times: days, not milliseconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._times = list[NDArray[np.int64]]()
        self._starts = list[NDArray[np.int64]]()
        self.users, self.items = Ids(), Ids()

    def __len__(self) -> int:
        return int(sum(starts[-1] for starts in self._starts))

    def add(self, users: pl.Series, items: pl.Series, time_ms: NDArray[np.int64], rest: Columns) -> None:
        """Put one run on disk: ids, times in ascending order, and by name the rest of `COLUMNS`."""
        if not len(time_ms):
            return
        columns = rest | {"user": self.users.codes(users), "item": self.items.codes(items)}
        for name, dtype in COLUMNS.items():
            np.save(self._path(len(self._times), name), columns[name].astype(dtype, copy=False))
        first = np.flatnonzero(np.diff(time_ms, prepend=time_ms[0] - 1))
        self._times.append(time_ms[first])
        self._starts.append(np.append(first, len(time_ms)))

    def spans(self, *, rows: int) -> Iterator[tuple[NDArray[np.int64], Columns]]:
        """All rows, in spans of time of about `rows` rows, the earlier span first: times and `COLUMNS`, run
        after run. A span is never less than all rows of one time."""
        times = np.unique(np.concatenate(self._times))
        counts = np.zeros(len(times), dtype=np.int64)
        for own, starts in zip(self._times, self._starts, strict=True):
            counts[np.searchsorted(times, own)] += np.diff(starts)
        span_of_time = (np.cumsum(counts) - 1) // rows
        begins = np.flatnonzero(np.diff(span_of_time, prepend=-1))
        for begin, end in zip(begins, [*begins[1:], len(times)], strict=True):
            yield self._between(times[begin], times[end - 1])

    def _between(self, earliest: int, latest: int) -> tuple[NDArray[np.int64], Columns]:
        pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in ("time", *COLUMNS)}
        for run, (times, starts) in enumerate(zip(self._times, self._starts, strict=True)):
            low, high = np.searchsorted(times, [earliest, latest + 1])
            if low == high:
                continue
            pieces["time"].append(np.repeat(times[low:high], np.diff(starts[low : high + 1])))
            for name in COLUMNS:
                # A copy: what is mapped counts as memory for as long as the map is there.
                pieces[name].append(np.array(mapped(self._path(run, name))[starts[low] : starts[high]]))
        columns = {name: np.concatenate(found) for name, found in pieces.items()}
        return columns.pop("time"), columns

    def _path(self, run: int, name: str) -> Path:
        return self._folder / f"{run}-{name}.npy"

"""What is read of a topic's partitions, on disk until all of it is there, and then merged into one order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EVENTS_AT_A_TIME = 1 << 18
_KINDS = {"user": "i", "item": "i", "type_code": "B", "timestamp_ms": "q", "arrived_ms": "q"}
_CONTEXT = "context"
_NEVER = np.iinfo(np.int64).max

Columns = dict[str, NDArray[Any]]


class PartitionSpool:
    """The events of one partition, in order of offsets; no more than a piece of them is in memory.

    First `add` and `forget`, then `close`, then the rest.
    """

    def __init__(self, stem: Path, *, context_fields: int = 0) -> None:
        self._stem, self._fields = stem, context_fields
        kinds = _KINDS | ({_CONTEXT: "h"} if context_fields else {})
        self._newest = {name: array(kind) for name, kind in kinds.items()}
        self._columns: Columns = {}
        self._on_disk = 0
        self._arrived_ms = 0
        self._forgotten: dict[int, int] = {}  # user → how many events came before
        self._forgotten_users = self._kept_from = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return self._on_disk + len(self._newest["user"])

    def add(
        self,
        *,
        user: int,
        item: int,
        type_code: int,
        timestamp_ms: int,
        arrived_ms: int,
        context: Sequence[int] = (),
    ) -> None:
        """The next event. Its record may be older than the one before it: the order of offsets stands."""
        self._arrived_ms = max(self._arrived_ms, arrived_ms)
        newest = self._newest
        newest["user"].append(user)
        newest["item"].append(item)
        newest["type_code"].append(type_code)
        newest["timestamp_ms"].append(timestamp_ms)
        newest["arrived_ms"].append(self._arrived_ms)
        if self._fields:
            newest[_CONTEXT].extend(context)
        if len(newest["user"]) == _EVENTS_AT_A_TIME:
            self._flush()

    def forget(self, user: int) -> None:
        """What `user` did before counts no more."""
        self._forgotten[user] = len(self)

    def close(self) -> None:
        """All is there."""
        self._flush()
        for name, numbers in self._newest.items():
            shape = (self._on_disk, self._fields) if name == _CONTEXT else (self._on_disk,)
            kind = numbers.typecode
            # Nothing cannot be mapped.
            self._columns[name] = (
                np.memmap(self._path(name), dtype=kind, mode="r", shape=shape)
                if self._on_disk
                else np.empty(shape, dtype=kind)
            )
        in_order = np.array(sorted(self._forgotten.items()), dtype=np.int64).reshape(-1, 2)
        self._forgotten_users, self._kept_from = in_order[:, 0], in_order[:, 1]

    @property
    def arrived_ms(self) -> NDArray[np.int64]:
        """When its events arrived, int64 [n], never falling."""
        return self._columns["arrived_ms"]

    def kept(self, first: int, last: int) -> Columns:
        """The columns of its events from `first` to before `last`, without those that were forgotten."""
        piece = {name: np.asarray(column[first:last]) for name, column in self._columns.items()}
        if not self._forgotten:
            return piece
        stays = self._stays(piece["user"], first)
        return {name: column[stays] for name, column in piece.items()}

    def count_kept(self) -> int:
        """How many events were not forgotten."""
        if not self._forgotten:
            return len(self)
        users = self._columns["user"]
        firsts = range(0, len(self), _EVENTS_AT_A_TIME)
        return sum(int(self._stays(users[at : at + _EVENTS_AT_A_TIME], at).sum()) for at in firsts)

    def _stays(self, user: NDArray[np.int32], first: int) -> NDArray[np.bool_]:
        place = np.searchsorted(self._forgotten_users, user)
        place = np.minimum(place, len(self._forgotten_users) - 1)
        was_forgotten = self._forgotten_users[place] == user
        stays: NDArray[np.bool_] = ~was_forgotten | (
            np.arange(first, first + len(user)) >= self._kept_from[place]
        )
        return stays

    def _flush(self) -> None:
        self._on_disk = len(self)
        for name, numbers in self._newest.items():
            with self._path(name).open("ab") as file:
                numbers.tofile(file)
            del numbers[:]

    def _path(self, name: str) -> Path:
        return Path(f"{self._stem}-{name}")


def merged(spools: Sequence[PartitionSpool]) -> Iterator[Columns]:
    """All that was kept, some at a time, by time of arrival; what arrived at one time in the order of
    `spools`, and within each of them in its own."""
    times = [spool.arrived_ms for spool in spools]
    at = [0] * len(spools)
    step = max(_EVENTS_AT_A_TIME // max(len(spools), 1), 1)
    while any(begin < len(own) for begin, own in zip(at, times, strict=True)):
        # Up to this time no spool has more than a step.
        later = [own[begin + step] for begin, own in zip(at, times, strict=True) if begin + step < len(own)]
        bound = min(later, default=_NEVER)
        to = [
            begin + int(np.searchsorted(own[begin : begin + step], bound))
            for begin, own in zip(at, times, strict=True)
        ]
        if to == at:  # more than a step at one time: in order as they are, however many
            to = [int(np.searchsorted(own, bound, side="right")) for own in times]
            for spool, begin, end in zip(spools, at, to, strict=True):
                for first in range(begin, end, _EVENTS_AT_A_TIME):
                    yield spool.kept(first, min(first + _EVENTS_AT_A_TIME, end))
        else:
            yield _sorted([spool.kept(*part) for spool, *part in zip(spools, at, to, strict=True)])
        at = to


def _sorted(parts: Sequence[Columns]) -> Columns:
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["arrived_ms"], kind="stable")
    return {name: column[order] for name, column in whole.items()}

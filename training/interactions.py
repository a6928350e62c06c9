"""An interaction log in memory, column by column, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import Interaction


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row of a file that was left out, and why; `line` counts from 1."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """Who did what, when. Codes index `users` and `items`; forgotten users are gone already.

    user          int32 [n]
    item          int32 [n]
    type_code     uint8 [n], the index in `EVENT_TYPES`
    timestamp_ms  int64 [n]
    rating        float32 [n], NaN where a row has none; None where the log has no ratings
    context       int16 [n, fields], codes (`models.bundle.context`) of the fields of the events' own context
                  that were asked for; None where none were
    `offsets` are those after the last record read, by "topic/partition" (empty where the log is a file);
    `rejected` counts what was left out, by reason; `rejected_rows` are the first of it, of a file.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    type_code: NDArray[np.uint8]
    timestamp_ms: NDArray[np.int64]
    rating: NDArray[np.float32] | None = None
    context: NDArray[np.int16] | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_rows: tuple[RejectedRow, ...] = ()

    def __len__(self) -> int:
        return len(self.user)

    @property
    def has_times(self) -> bool:
        """Whether its times tell anything: a file that gives only the order has all its events at one."""
        return len(self) > 0 and bool((self.timestamp_ms != self.timestamp_ms[0]).any())

    def part(self, start: int, stop: int) -> Interactions:
        """The interactions from `start` to before `stop`, with the same codes.

        A part that ends earlier has no `offsets`: they would claim more than it holds.
        """
        return replace(self.rows(slice(start, stop)), offsets=self.offsets if stop >= len(self) else {})

    def rows(self, chosen: slice | NDArray[np.bool_]) -> Interactions:
        """The interactions of a piece, or those that `chosen` [n] marks, with the same codes and no
        `offsets`."""
        return replace(
            self,
            user=self.user[chosen],
            item=self.item[chosen],
            type_code=self.type_code[chosen],
            timestamp_ms=self.timestamp_ms[chosen],
            rating=None if self.rating is None else self.rating[chosen],
            context=None if self.context is None else self.context[chosen],
            offsets={},
        )

    def split(self, newest: float) -> tuple[Interactions, Interactions]:
        """The older part, and the `newest` fraction of the log."""
        cut = round(len(self) * (1.0 - newest))
        return self.part(0, cut), self.part(cut, len(self))

    def events(self) -> Iterator[Interaction]:
        """One by one, as a worker decodes them; the place in the log is the offset."""
        users = [user.encode() for user in self.users]
        hashes = [item_hash(item) for item in self.items]
        columns = zip(
            self.user.tolist(),
            self.item.tolist(),
            self.type_code.tolist(),
            self.timestamp_ms.tolist(),
            strict=True,
        )
        for offset, (user, item, type_code, timestamp_ms) in enumerate(columns):
            yield Interaction(offset, users[user], hashes[item], timestamp_ms, type_code, self.items[item])

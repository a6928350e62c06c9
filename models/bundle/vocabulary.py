"""Which item has which row in a version's catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import NO_ITEM, item_hash

_LEAST_SPARE = 1024
_FULLEST = 4
"""Slots for each item, below which they are made anew: with fewer, a quarter of the items share one."""


class Vocabulary:
    """The items of one version, to which others can be added. Row 0 is padding; row i + 1 is `item_ids[i]`.

    `names`: the id of each row, "" for padding; for loops, as `item_id` checks the row. Rows are never taken
    away nor given to another item. One thread adds; the others may read meanwhile, and find either what was
    there before or all that is there now.

    Raises ValueError where an id occurs twice, or two ids have one hash.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        self._item_ids: tuple[str, ...] = tuple(item_ids)
        self._row_of: dict[str, int] = {item_id: row for row, item_id in enumerate(self._item_ids, start=1)}
        if len(self._row_of) != len(self._item_ids):
            twice = len(self._item_ids) - len(self._row_of)
            raise ValueError(f"{twice} items occur twice; give each id once")
        # As long as the items, with room for more as soon as the first one is added.
        self._hashes = np.fromiter(
            (NO_ITEM, *map(item_hash, self._item_ids)), dtype=np.uint64, count=len(self._item_ids) + 1
        )
        self._lookup = _built(self._hashes)
        self._names = ["", *self._item_ids]

    def __len__(self) -> int:
        return len(self._lookup.hashes) - 1

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """uint64 [items + 1], the item hash of each row, 0 for padding; read-only."""
        return self._lookup.hashes

    @property
    def names(self) -> Sequence[str]:
        """The id of each row, "" for padding."""
        return self._names

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The ids in row order, without padding."""
        if len(self._item_ids) != len(self):
            self._item_ids = tuple(self._names[1 : len(self) + 1])
        return self._item_ids

    def item_id(self, row: int) -> str:
        """The id of a row. Raises IndexError for padding and for rows beyond the vocabulary."""
        if not 1 <= row <= len(self):
            raise IndexError(f"row {row} holds no item; rows are 1 to {len(self)}")
        return self._names[row]

    def row(self, item_id: str) -> int:
        """The row of an id, 0 where the version does not know it."""
        return self._row_of.get(item_id, 0)

    def name_of(self, hashed: int) -> str | None:
        """The id that has this hash, None where the version does not know it."""
        row = int(self.rows(np.array([hashed], dtype=np.uint64))[0])
        return self._names[row] if row else None

    def rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The row of each hash: uint64 [n] -> int32 [n], 0 where the version does not know it."""
        return self._lookup.rows(hashes)

    def add(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """Give these items the next rows, and return them: int32 [n].

        Takes time for the new items, and now and then, as a list does, for all of them. Raises ValueError
        where one is here already, occurs twice or has another's hash; nothing is added then.
        """
        if known := sum(item_id in self._row_of for item_id in item_ids):
            raise ValueError(f"{known} items are here already; add each id once")
        first, last = len(self) + 1, len(self) + len(item_ids)
        hashes = np.fromiter(map(item_hash, item_ids), dtype=np.uint64, count=len(item_ids))
        if len(np.unique(hashes)) != len(hashes) or self.rows(hashes).any():
            raise ValueError("two items have the same hash; rename one of them")
        if last >= len(self._hashes):
            room = np.zeros(last + 1 + max(last // 8, _LEAST_SPARE), dtype=np.uint64)
            room[:first] = self._hashes[:first]
            self._hashes = room
        self._hashes[first : last + 1] = hashes
        # Names first: what finds a row finds its name too.
        self._names += item_ids
        self._row_of.update(zip(item_ids, range(first, last + 1), strict=True))
        self._lookup = self._lookup.extended(self._hashes[: last + 1])
        return np.arange(first, last + 1, dtype=np.int32)


class _Lookup(NamedTuple):
    """How rows are found: a table of slots by the low bits of the hash, which holds one row for each.

    That is five times as fast as a binary search, which is left for the twentieth part of items whose slot
    another one took: `crowded` are their hashes, sorted, and `crowded_rows` their rows.
    """

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int64]
    crowded: NDArray[np.uint64]
    crowded_rows: NDArray[np.int64]

    def rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """See `Vocabulary.rows`."""
        # "clip", since all indices are valid and the default would check each of them. But for one thing: an
        # item that is being added may be in the slots already. It is clipped to the last row, whose hash is
        # another, and stays unknown.
        rows = self.slots.take(_slot(hashes, self.slots), mode="clip")
        missed = np.flatnonzero(self.hashes.take(rows, mode="clip") != hashes)
        if missed.size:
            # An empty slot says that the item is unknown; one that another item took says nothing.
            unsure = missed[rows[missed] > 0]
            rows[missed] = 0
            if unsure.size and self.crowded.size:
                asked = hashes[unsure]
                place = np.searchsorted(self.crowded, asked)
                found = self.crowded.take(place, mode="clip") == asked
                rows[unsure] = np.where(found, self.crowded_rows.take(place, mode="clip"), 0)
        return rows.astype(np.int32)

    def extended(self, hashes: NDArray[np.uint64]) -> _Lookup:
        """With the rows that `hashes` has beyond those of this one. Empty slots are filled in place."""
        if len(hashes) * _FULLEST > len(self.slots):
            return _built(hashes)
        hashes = _read_only(hashes)
        rows = np.arange(len(self.hashes), len(hashes))
        new = hashes[rows]
        slot = _slot(new, self.slots)
        free = self.slots[slot] == 0
        self.slots[slot[free]] = rows[free]
        crowded = self.slots[slot] != rows
        order = np.argsort(new[crowded])
        late, late_rows = new[crowded][order], rows[crowded][order]
        place = np.searchsorted(self.crowded, late)
        return _Lookup(
            hashes,
            self.slots,
            np.insert(self.crowded, place, late),
            np.insert(self.crowded_rows, place, late_rows),
        )


def _built(hashes: NDArray[np.uint64]) -> _Lookup:
    """For the hashes of all rows. Raises ValueError where two are the same."""
    hashes = _read_only(hashes)
    slots = np.zeros(1 << max(4, (8 * len(hashes)).bit_length()), dtype=np.int64)
    rows, slot = np.arange(len(hashes)), _slot(hashes, slots)
    slots[slot] = rows
    taken_by = slots[slot]
    crowded = 1 + np.flatnonzero(taken_by[1:] != rows[1:])
    crowded = crowded[np.argsort(hashes[crowded])]
    asked = hashes[crowded]
    if (asked[1:] == asked[:-1]).any() or (hashes[taken_by[crowded]] == asked).any():
        raise ValueError("two items have the same hash; rename one of them")
    return _Lookup(hashes, slots, asked, crowded)


def _slot(hashes: NDArray[np.uint64], slots: NDArray[np.int64]) -> NDArray[np.int64]:
    return (hashes & np.uint64(len(slots) - 1)).view(np.int64)


def _read_only(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    seen = hashes.view()
    seen.flags.writeable = False
    return seen

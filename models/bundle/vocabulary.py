"""Which item has which row in a version's catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import NO_ITEM, item_hash


class Vocabulary:
    """The items of one version. Row 0 is padding; row i + 1 is `item_ids[i]`.

    `hashes`: uint64 [items + 1], the item hash of each row, 0 for padding. `names`: the id of each row, ""
    for padding; for loops, as `item_id` checks the row.

    Raises ValueError where an id occurs twice, or two ids have one hash.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        self._item_ids: tuple[str, ...] = tuple(item_ids)
        self._row_of: dict[str, int] = {item_id: row for row, item_id in enumerate(self._item_ids, start=1)}
        if len(self._row_of) != len(self._item_ids):
            twice = len(self._item_ids) - len(self._row_of)
            raise ValueError(f"{twice} items occur twice; give each id once")
        hashes = np.fromiter(
            (NO_ITEM, *map(item_hash, self._item_ids)), dtype=np.uint64, count=len(self._item_ids) + 1
        )
        hashes.flags.writeable = False
        self.hashes: NDArray[np.uint64] = hashes
        self._order = np.argsort(hashes)
        self._sorted = hashes[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise ValueError("two items have the same hash; rename one of them")
        self.names: tuple[str, ...] = ("", *self._item_ids)
        self._slots = _slots(hashes)

    def __len__(self) -> int:
        return len(self._item_ids)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The ids in row order, without padding."""
        return self._item_ids

    def item_id(self, row: int) -> str:
        """The id of a row. Raises IndexError for padding and for rows beyond the vocabulary."""
        if not 1 <= row <= len(self._item_ids):
            raise IndexError(f"row {row} holds no item; rows are 1 to {len(self._item_ids)}")
        return self._item_ids[row - 1]

    def row(self, item_id: str) -> int:
        """The row of an id, 0 where the version does not know it."""
        return self._row_of.get(item_id, 0)

    def name_of(self, hashed: int) -> str | None:
        """The id that has this hash, None where the version does not know it."""
        row = int(self.rows(np.array([hashed], dtype=np.uint64))[0])
        return self._item_ids[row - 1] if row else None

    def rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The row of each hash: uint64 [n] -> int32 [n], 0 where the version does not know it."""
        slot = (hashes & np.uint64(len(self._slots) - 1)).view(np.int64)
        # "clip", since all indices are valid and the default would check each of them.
        rows = self._slots.take(slot, mode="clip")
        missed = np.flatnonzero(self.hashes.take(rows, mode="clip") != hashes)
        if missed.size:
            # An empty slot says that the item is unknown; one that another item took says nothing.
            unsure = missed[rows[missed] > 0]
            rows[missed] = 0
            asked = hashes[unsure]
            place = np.searchsorted(self._sorted, asked)
            candidate = self._order.take(place, mode="clip")
            rows[unsure] = np.where(self.hashes[candidate] == asked, candidate, 0)
        return rows.astype(np.int32)


def _slots(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The row of an item at the low bits of its hash, 0 where there is none; one of those that share a slot.

    Five times as fast as a binary search, which is left for the twentieth part of items whose slot is taken.
    """
    slots = np.zeros(1 << max(4, (8 * len(hashes)).bit_length()), dtype=np.int64)
    slots[(hashes & np.uint64(len(slots) - 1)).view(np.int64)] = np.arange(len(hashes))
    return slots

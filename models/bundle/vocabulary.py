"""Which item has which row in a version's catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import NO_ITEM, item_hash


class Vocabulary:
    """The items of one version. Row 0 is padding; row i + 1 is `item_ids[i]`.

    `hashes`: uint64 [items + 1], the item hash of each row, 0 for padding.

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
        self._slots = _hash_table(hashes)

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
        mask = len(self._slots) - 1
        slot = (hashes & np.uint64(mask)).view(np.int64)
        # "clip", since all indices are valid and the default would check each of them.
        rows = self._slots.take(slot, mode="clip")
        missed = np.flatnonzero(self.hashes.take(rows, mode="clip") != hashes)
        if missed.size:
            # Linear probing goes on where the slot is another item's; few, since most slots are empty.
            pending = missed[rows[missed] > 0]
            rows[missed] = 0
            while pending.size:
                slot[pending] = (slot[pending] + 1) & mask
                held = self._slots[slot[pending]]
                hit = self.hashes[held] == hashes[pending]
                rows[pending[hit]] = held[hit]
                pending = pending[~hit & (held > 0)]
        return rows.astype(np.int32)


def _hash_table(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """An open-addressing table that numpy can probe for many hashes at once: the row in each slot, or 0."""
    size = 1 << max(4, (4 * len(hashes)).bit_length())
    slots = [0] * size
    values = hashes.tolist()
    for row, value in enumerate(values[1:], start=1):
        slot = value & (size - 1)
        while held := slots[slot]:
            if values[held] == value:
                raise ValueError(f"two items have the hash {value:#x}; rename one of them")
            slot = (slot + 1) & (size - 1)
        slots[slot] = row
    return np.array(slots, dtype=np.int64)

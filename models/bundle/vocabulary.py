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
        self._slots, self._slot_rows = _hash_table(hashes)

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
        held = self._slots[slot]
        rows = self._slot_rows[slot]
        missed = np.flatnonzero(held != hashes)
        rows[missed] = 0
        # Linear probing goes on where the slot belongs to another item; few, since most slots are empty.
        pending = missed[held[missed] != NO_ITEM]
        while pending.size:
            slot[pending] = (slot[pending] + 1) & mask
            held = self._slots[slot[pending]]
            hit = held == hashes[pending]
            rows[pending[hit]] = self._slot_rows[slot[pending[hit]]]
            pending = pending[~hit & (held != NO_ITEM)]
        return rows


def _hash_table(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """An open-addressing table that numpy can probe for many hashes at once: hashes, and their rows."""
    size = 1 << max(4, (4 * len(hashes)).bit_length())
    slots = [NO_ITEM] * size
    rows = [0] * size
    for row, value in enumerate(hashes.tolist()[1:], start=1):
        slot = value & (size - 1)
        while slots[slot] != NO_ITEM:
            if slots[slot] == value:
                raise ValueError(f"two items have the hash {value:#x}; rename one of them")
            slot = (slot + 1) & (size - 1)
        slots[slot], rows[slot] = value, row
    return np.array(slots, dtype=np.uint64), np.array(rows, dtype=np.int32)

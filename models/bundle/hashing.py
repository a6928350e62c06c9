"""The 64-bit name of an item, as histories store it."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest

NO_ITEM = 0
"""The hash that no item has: an empty slot."""


def item_hash(item_id: str) -> int:
    """xxh3-64 of the id's UTF-8 bytes, unsigned. 0 means "no item", so an id that hashes to 0 gets 1."""
    return xxh3_64_intdigest(item_id.encode()) or 1

"""The catalogue in memory: what the `items` topic says of each item, and whether it may be recommended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from models.bundle.hashing import item_hash
from stream_app.domain.messages import Item

_decode = msgspec.json.Decoder(Item).decode


class ItemCatalogue:
    """Kept up to date by the `items` feed. An item that it does not hold may be recommended."""

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}
        self._unavailable: set[int] = set()
        self._listeners: list[Callable[[int, bool], None]] = []

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def on_availability(self, listener: Callable[[int, bool], None]) -> None:
        """Call `listener(item_hash, available)` whenever an item's availability changes."""
        self._listeners.append(listener)

    def available(self, hashed: int) -> bool:
        return hashed not in self._unavailable

    @property
    def unavailable(self) -> frozenset[int]:
        """The hashes of the items that must not be recommended."""
        return frozenset(self._unavailable)

    def item(self, hashed: int) -> Item | None:
        return self._items.get(hashed)

    def apply(self, key: bytes | None, value: bytes | None) -> str | None:
        """Take one record of the topic; returns why it is no good, None where it is. A null value retires."""
        if key is None:
            return "an item without a key; send the item_id as key"
        if value is None:
            hashed = item_hash(key.decode("utf-8", "replace"))
            self._items.pop(hashed, None)
            self._set_available(hashed, False)
            return None
        try:
            item = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"not a valid item: {error}"
        if key != item.item_id.encode():
            return f"the key {key[:64]!r} differs from the item_id {item.item_id[:64]!r}"
        hashed = item_hash(item.item_id)
        self._items[hashed] = item
        self._set_available(hashed, item.available)
        return None

    def _set_available(self, hashed: int, available: bool) -> None:
        if available == self.available(hashed):
            return
        if available:
            self._unavailable.discard(hashed)
        else:
            self._unavailable.add(hashed)
        for listener in self._listeners:
            listener(hashed, available)

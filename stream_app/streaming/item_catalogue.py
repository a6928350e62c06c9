"""The catalogue in memory: what the `items` topic says of each item, and whether it may be recommended."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator

import msgspec

from models.bundle.hashing import item_hash
from stream_app.domain.messages import Item

_decode = msgspec.json.Decoder(Item).decode


class ItemCatalogue:
    """Kept up to date by the `items` feed. An item that it does not hold may be recommended.

    One whose `published_at` lies ahead may not be until then: `publish_due` is called now and then.
    """

    def __init__(self, *, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._clock_ms = clock_ms
        self._items: dict[int, Item] = {}
        self._unavailable: set[int] = set()
        self._unpublished: list[tuple[int, int]] = []
        """(published_at, item_hash), a heap"""
        self._availability_listeners: list[Callable[[int, bool], None]] = []
        self._item_listeners: list[Callable[[Item], None]] = []

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def on_availability(self, listener: Callable[[int, bool], None]) -> None:
        """Call `listener(item_hash, available)` whenever an item's availability changes."""
        self._availability_listeners.append(listener)

    def on_item(self, listener: Callable[[Item], None]) -> None:
        """Call `listener(item)` whenever an item comes, or something else is told of it."""
        self._item_listeners.append(listener)

    def available(self, hashed: int) -> bool:
        return hashed not in self._unavailable

    @property
    def unavailable(self) -> frozenset[int]:
        """The hashes of the items that must not be recommended."""
        return frozenset(self._unavailable)

    def item(self, hashed: int) -> Item | None:
        return self._items.get(hashed)

    def all(self) -> list[Item]:
        """Every item as of now; from any thread."""
        return list(self._items.values())

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
        before = self._items.get(hashed)
        self._items[hashed] = item
        published = item.published_at is None or item.published_at <= self._clock_ms()
        if item.available and not published and item.published_at is not None:
            heapq.heappush(self._unpublished, (item.published_at, hashed))
        self._set_available(hashed, item.available and published)
        if item != before:
            for listener in self._item_listeners:
                listener(item)
        return None

    def publish_due(self) -> None:
        """Make available what has been published by now."""
        now_ms = self._clock_ms()
        while self._unpublished and self._unpublished[0][0] <= now_ms:
            published_at, hashed = heapq.heappop(self._unpublished)
            item = self._items.get(hashed)
            # It may have been changed since, or retired.
            if item is not None and item.available and item.published_at == published_at:
                self._set_available(hashed, True)

    def _set_available(self, hashed: int, available: bool) -> None:
        if available == self.available(hashed):
            return
        if available:
            self._unavailable.discard(hashed)
        else:
            self._unavailable.add(hashed)
        for listener in self._availability_listeners:
            listener(hashed, available)

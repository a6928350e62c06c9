"""A store whose writes wait in memory until their transaction is committed.

What a transaction did not commit must not be on the disk: a replay would find its events applied already and
answer them from a later state. So the disk holds what was committed, with the changelog offset that it
reaches in the same batch, and the chunks in flight lie over it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from faust.types import TP

from stream_app.streaming.lane.store import BatchStore


class StagedStore:
    """Implements `store.ChunkStore` over a `BatchStore`."""

    def __init__(self, store: BatchStore) -> None:
        self._store = store
        self._staged: defaultdict[int, dict[bytes, bytes | None]] = defaultdict(dict)

    def holds(self, partition: int) -> bool:
        return self._store.holds(partition)

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        stored = self._store.get_many(partition, keys)
        staged = self._staged[partition]
        if not staged:
            return stored
        return [staged.get(key, value) for key, value in zip(keys, stored, strict=True)]

    def put_many(self, partition: int, values: Mapping[bytes, bytes | None]) -> None:
        self._staged[partition].update(values)

    def partition_items(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        return self._store.partition_items(partition)

    def settle(self, tp: TP, values: Mapping[bytes, bytes | None], offset: int) -> None:
        self._store.put_many(tp.partition, values, changelog_offset=offset)
        staged = self._staged[tp.partition]
        for key, value in values.items():
            if staged.get(key, b"") is value:  # and not what a later chunk has made of it
                del staged[key]

    def left_over(self, partition: int) -> frozenset[bytes]:
        return self._store.left_over(partition)

    def mended(self, partition: int) -> None:
        self._store.mended(partition)

    def forget(self) -> None:
        self._staged.clear()

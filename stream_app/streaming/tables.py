"""The two changelogged tables: what is stored of users, and the topics that log it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faust.types import TP

from stream_app.streaming.lane.producer import BatchSender
from stream_app.streaming.lane.store import ChunkStore


@dataclass(frozen=True, slots=True)
class Table:
    """A store and its changelog topic."""

    store: ChunkStore
    changelog: str

    def settle(
        self,
        partition: int,
        values: Mapping[bytes, bytes | None],
        acknowledged: Sequence[asyncio.Future[Any]],
    ) -> None:
        """The broker has the values: let the store know how far it is in the changelog."""
        if acknowledged and self.store.holds(partition):
            self.store.settle(TP(self.changelog, partition), values, acknowledged[-1].result().offset)

    async def rewrite(self, sender: BatchSender, partition: int, users: Sequence[bytes]) -> None:
        """Write what is stored of the users to the changelog once more; returns when the broker has it."""
        # Read when it is sent, under the partition's lock: never an older state after a newer one.
        await asyncio.gather(*await sender.send(self.changelog, partition, self._stored(partition, users)))

    def _stored(self, partition: int, users: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        if self.store.holds(partition):
            yield from zip(users, self.store.get_many(partition, users), strict=True)


@dataclass(frozen=True, slots=True)
class Tables:
    """A user's history, and the lists that the user was given."""

    history: Table
    lists: Table

    async def rewrite(self, sender: BatchSender, partition: int, users: Sequence[bytes]) -> None:
        """Write what is stored of the users to both changelogs once more."""
        for table in (self.history, self.lists):
            await table.rewrite(sender, partition, users)

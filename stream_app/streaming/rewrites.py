"""What a former owner of a partition wrote over, late, is written once more (see `fencing`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from stream_app.streaming.fencing import Fence, Superseded
from stream_app.streaming.tables import Tables

log = logging.getLogger(__name__)

_USERS_AT_ONCE = 500


class Rewrites:
    """Writes the records of users touched in the first `span_s` of an ownership once more, at its end.

    And at its beginning those that a recovery found to be followed by lower ones. `rewrite` writes what is
    stored of users of a partition to the changelogs. `span_s` must be longer than a former owner may go on
    trying to send.
    """

    def __init__(
        self,
        rewrite: Callable[[int, Sequence[bytes]], Awaitable[None]],
        *,
        fence: Fence,
        span_s: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._rewrite = rewrite
        self._fence = fence
        self._span_s = span_s
        self._on_failure = on_failure
        self._touched: dict[int, set[bytes]] = {}
        self._generations: dict[int, int] = {}
        self._settled: set[int] = set()
        self._timers: dict[int, asyncio.Task[None]] = {}

    def note(self, partition: int, users: Sequence[bytes], *, generation: int) -> None:
        """Remember whom a chunk touched; the first chunk of an ownership starts its while."""
        begun = self._generations.get(partition, -1)
        if generation < begun or (generation == begun and partition in self._settled):
            return  # of a chunk that was late, or of one that needs it no more
        if generation > begun:
            # Begun anew also where a late chunk of an earlier ownership has begun it.
            self._end(partition)
            self._generations[partition] = generation
            self._touched[partition] = set()
            self._timers[partition] = asyncio.create_task(self._settle(partition, generation))
        self._touched[partition].update(users)

    def is_over(self, partition: int) -> bool:
        """Whether the while of an ownership has passed, and all was written once more."""
        return partition in self._settled

    def forget(self) -> None:
        """All partitions were revoked; what comes next is a new ownership."""
        for partition in tuple(self._generations):
            self._end(partition)

    def _end(self, partition: int) -> None:
        if timer := self._timers.pop(partition, None):
            timer.cancel()
        self._generations.pop(partition, None)
        self._touched.pop(partition, None)
        self._settled.discard(partition)

    async def _settle(self, partition: int, generation: int) -> None:
        await asyncio.sleep(self._span_s)
        users = self._touched[partition]
        self._touched[partition] = set()
        try:
            await self._rewrite_all(partition, users, generation)
        except Superseded:
            return  # its next owner has a while of its own
        except Exception as error:
            self._on_failure(error)
        self._settled.add(partition)
        self._touched[partition] = set()

    async def mend(self, partition: int, tables: Tables, *, generation: int) -> None:
        """Write again what a recovery found to be followed by a former owner's records."""
        stores = tables.history.store, tables.lists.store
        users = frozenset[bytes]().union(*(store.left_over(partition) for store in stores))
        if not users:
            return
        try:
            await self._rewrite_all(partition, users, generation)
        except Superseded:
            return  # its next owner finds them, too
        for store in stores:
            store.mended(partition)
        log.info("partition %d: the records of %d users were written once more", partition, len(users))

    async def _rewrite_all(self, partition: int, users: Collection[bytes], generation: int) -> None:
        ordered = sorted(users)
        for start in range(0, len(ordered), _USERS_AT_ONCE):
            # A worker that was frozen wakes up with its time long over.
            await self._fence.enter(generation)
            await self._rewrite(partition, ordered[start : start + _USERS_AT_ONCE])

"""The consumer driver: hands whole record lists to the lane, and commits what the lane acknowledges.

Holes of Faust that this file closes (each has a test, see ARCHITECTURE.md):

1. The set of active partitions is shared with the fetch thread and changed under it; emptied, aiokafka reads
   it as "no filter" and drops the records of paused partitions. The thread gets a frozen copy.
2. The signal that ends a recovery stays set until the slurp loop's next turn, up to 5 s later, so that a
   second rebalance "recovers" in 1 ms and serves stale state. It is cleared when a recovery asks for its high
   watermarks.
3. The offset to commit is guessed from a list of acked messages and can pass one in flight. The lane says it.
4. Records that were fetched under one generation must not be handled under the next. The generation is noted
   before the fetch, compared before each list is handed over, and the position goes back to the committed
   offsets where they differ. A list that came after the lane was drained would be a chunk beside those that
   are still in flight, and acknowledged before them.
5. What was acknowledged since the last commit is forgotten at a revocation. It is committed first.
6. A recovery ends at its last record, and where a transaction's marker is the last of a changelog there is no
   such record. The fetch position tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream_app.streaming.fencing import Fence
from stream_app.streaming.lane.protocol import Lane
from stream_app.streaming.lane.recovery import apply_changelog_records, note_positions, unfinished
from stream_app.streaming.lane.thread import LaneConsumerThread

DRAIN_TIMEOUT_S = 8.0
"""Less than the rebalance timeout: a worker that drains for longer is expelled and hands over nothing."""
_FETCH_TIMEOUT_S = 1.0
_RECOVERY_FETCH_TIMEOUT_S = 0.05
"""A recovery may be over without another record: look soon."""


class LaneConsumer(driver.Consumer):
    """Feeds `app.lane`."""

    _thread: LaneConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._next_offsets: dict[TP, int] = {}
        self._taken_over = -1  # the generation
        self._committing: asyncio.Task[Any] | None = None
        self._anew: set[TP] = set()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> LaneConsumerThread:
        return LaneConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def lane(self) -> Lane:
        lane: Lane = self.app.lane  # type: ignore[attr-defined]
        return lane

    @property
    def fence(self) -> Fence:
        fence: Fence = self.app.fence  # type: ignore[attr-defined]
        return fence

    # -- acknowledgement and commit

    def acknowledge(self, tp: TP, next_offset: int, *, generation: int) -> None:
        """Say that everything before `next_offset` is done; ignored under another generation."""
        if generation == self.app.consumer_generation_id and next_offset > self._next_offsets.get(tp, -1):
            self._next_offsets[tp] = next_offset
            self._acked.setdefault(tp, [])  # commit() looks at the partitions of this mapping

    def committed_offset(self, tp: TP) -> int:
        """The source offset that was last committed, 0 where none was."""
        return self._committed_offset[tp] or 0

    def note_committed(self, tp: TP, next_offset: int) -> None:
        """Say that the offset was committed otherwise, in a transaction."""
        self._committed_offset[tp] = next_offset

    def commit_soon(self) -> None:
        """Commit what is acknowledged now, unless a commit is under way already."""
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_now(), name="a commit that is due")

    async def _commit_now(self) -> None:
        try:
            await self.commit()
        except Exception as error:  # the next one, within a second, has the same to commit
            self.log.info("a commit that was due failed: %r", error)

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic == self.lane.topic:
            return self._next_offsets.get(tp)
        return super()._new_offset(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.stop_flow()
        self.fence.closing(True)
        await self._drain_lane()
        if not self.should_stop:
            # Faust takes a commit that is under way for this one, and it may know less.
            await self.maybe_wait_for_commit_to_finish()
            await self.commit()
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._next_offsets.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.fence.heard()
        self.fence.closing(False)
        await super().on_partitions_assigned(assigned, generation_id)

    async def wait_empty(self) -> None:
        await self._drain_lane()
        await super().wait_empty()

    async def _drain_lane(self) -> None:
        if not hasattr(self.app, "lane"):
            return  # told to stop before it had begun
        if not await self.lane.drain(timeout_s=DRAIN_TIMEOUT_S):
            self.log.warning("chunks were still in flight after %s s; they will be replayed", DRAIN_TIMEOUT_S)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        # The first thing that a recovery asks for: the last one's end must not end this one.
        tables: Any = self.app.tables
        tables.recovery.signal_recovery_end.clear()
        if self._taken_over != self.app.consumer_generation_id:
            self._taken_over = self.app.consumer_generation_id
            # Before the end of a changelog is asked for: an open transaction of the last owner would hide it.
            await self.lane.take_over(self._source_partitions())
        return await super().highwaters(*partitions)

    # -- delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped, fetcher_stopped = self._stopped.is_set, fetcher._stopped.is_set
        try:
            while not (stopped() or fetcher_stopped()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
                    continue
                await self._deliver_next()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as error:
            # Faust would take a traceback and half a minute to end, or hang where it is in a recovery.
            self.app.on_failure(error)  # type: ignore[attr-defined]
            raise

    async def _deliver_next(self) -> None:
        lane = self.lane
        generation = self.app.consumer_generation_id
        active = self._get_active_partitions()
        open_ = frozenset(tp for tp in active if tp.topic != lane.topic or lane.accepts(tp))
        if not open_:
            await (lane.wait_for_room(timeout_s=0.05) if active else asyncio.sleep(0.05))
            return
        tables: Any = self.app.tables
        recovering = unfinished(tables)
        timeout_s = _RECOVERY_FETCH_TIMEOUT_S if recovering else _FETCH_TIMEOUT_S
        records = await self._thread.getmany(open_, timeout_s)  # type: ignore[arg-type]
        if self.should_stop:
            return
        changelogs = tables.changelog_topics
        for tp, batch in records.items():
            if self._is_over(generation):  # looked at anew after every pause
                await self._rewind()
                return
            if tp.topic == lane.topic:
                lane.take(TP(tp.topic, tp.partition), batch, generation=generation)
            elif tp.topic in changelogs:
                apply_changelog_records(tables, TP(tp.topic, tp.partition), batch)
                self._read_offset[tp] = batch[-1].offset
            else:
                for record in batch:
                    await self.callback(self._to_message(tp, record))
                    self._read_offset[tp] = record.offset
            await asyncio.sleep(0)
        if recovering and not records and not self._is_over(generation):
            positions = await self._thread.positions(recovering)
            if not self._is_over(generation):
                note_positions(tables, positions)
        await asyncio.sleep(0)

    def _is_over(self, generation: int) -> bool:
        """Whether what was fetched under the generation must not be handled any more."""
        return not self.flow_active or generation != self.app.consumer_generation_id

    async def _rewind(self) -> None:
        try:
            await self.perform_seek()
            await self._thread.rewind(frozenset(self._source_partitions()))
        except Exception as error:
            # Between two generations nothing can be sought; the recovery that follows seeks by itself.
            self.log.info("could not go back to the committed offsets yet: %r", error)

    async def check_sources(self) -> None:
        """The state of what is assigned was recovered. Raises where it was made from another log."""
        self._anew = await self.lane.recovered(
            self._source_partitions(), generation=self.app.consumer_generation_id
        )

    def _source_partitions(self) -> set[TP]:
        return {tp for tp in self.assignment() if tp.topic == self.lane.topic}

    async def perform_seek(self) -> None:
        await super().perform_seek()
        anew, self._anew = self._anew & self.assignment(), set()
        if anew:
            await self._thread.begin_anew(frozenset(anew))
            for tp in anew:
                self._committed_offset[tp] = None
        # Faust compares read offsets to drop what it has seen; the history does that itself, and exactly.
        for tp in [tp for tp in self._read_offset if tp.topic == self.lane.topic]:
            self._read_offset[tp] = None

"""The chunks of one partition: cut, at most three in flight, answered and acknowledged strictly in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from faust.types import TP

from stream_app.streaming.fencing import Superseded

log = logging.getLogger(__name__)

CHUNK_RECORDS = 2048
"""The most that a chunk takes of what has queued up; a worker that keeps up sees what a fetch brought."""

IN_FLIGHT = 3


class Turn:
    """A chunk's place in its partition's order: it waits for the one before, and says how it ended."""

    def __init__(self, before: Turn | None) -> None:
        self._before = before
        self._done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        """Return when the one before is over; raises Superseded where it was abandoned."""
        if self._before is None:
            return
        if not await asyncio.shield(self._before._done):
            raise Superseded("the chunk before it was")
        self._before = None

    def over(self) -> None:
        self._end(True)

    def abandon(self) -> None:
        """What comes after must not be acknowledged: its offsets would pass this chunk's."""
        self._end(False)

    def _end(self, well: bool) -> None:
        if not self._done.done():
            self._done.set_result(well)


class Steps(Protocol):
    """What is done with a chunk (see `pipeline`); what `apply` returns is handed to `deliver`."""

    def apply(self, tp: TP, records: Sequence[Any]) -> Any:
        """Steps 1 and 2, at once: afterwards the local state holds the chunk."""
        ...

    async def take_over(self, partitions: Collection[TP]) -> None:
        """Partitions are ours from now on; their state has not been read yet."""
        ...

    async def recovered(self, partitions: Collection[TP], *, generation: int) -> set[TP]:
        """Their state is whole; returns those that are to be read from the beginning of their source."""
        ...

    def forget_ownership(self) -> None:
        """All partitions were revoked; what comes next is a new ownership."""
        ...

    async def deliver(self, work: Any, *, to_log: Turn, to_answer: Turn, generation: int) -> None:
        """Steps 3 to 5; 3 and 4 each in its turn. Raises Superseded where another worker goes on."""
        ...


class PartitionLane:
    """The queue of one partition and the task that works it off.

    Every partition has its own, so that a slow or hot one does not hold up the others.
    """

    def __init__(
        self,
        tp: TP,
        steps: Steps,
        *,
        current_generation: Callable[[], int],
        acknowledge: Callable[[TP, int, int], None],
        on_failure: Callable[[BaseException], None],
        on_room: Callable[[], None],
    ) -> None:
        self._tp = tp
        self._steps = steps
        self._current_generation = current_generation
        self._acknowledge = acknowledge
        self._on_failure = on_failure
        self._on_room = on_room
        self._queue: deque[Any] = deque()
        self._generation = -1
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._in_flight: dict[asyncio.Task[None], float] = {}
        self._last_turns: tuple[Turn | None, ...] = (None, None, None)
        self._task = asyncio.create_task(self._run(), name=f"lane-{tp.topic}-{tp.partition}")

    @property
    def has_room(self) -> bool:
        return len(self._queue) < CHUNK_RECORDS

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def oldest_age_s(self, now: float) -> float:
        """How long the oldest chunk has been in flight, 0 where none is; `now` is monotonic."""
        return max((now - begun for begun in tuple(self._in_flight.values())), default=0.0)

    def take(self, records: Sequence[Any], *, generation: int) -> None:
        if generation != self._generation:
            self._queue.clear()  # what an earlier generation fetched is read again from the committed offset
            self._generation = generation
        self._queue.extend(records)
        self._arrived.set()

    async def drain(self) -> None:
        """Forget what is queued, wait for what is in flight."""
        self._queue.clear()
        while self._in_flight:
            await asyncio.wait(tuple(self._in_flight))

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._queue:
                    await self._slots.acquire()
                    if not self._queue or self._generation != self._current_generation():
                        self._queue.clear()
                        self._slots.release()
                        break
                    self._begin()
                    await asyncio.sleep(0)
        except Exception as error:
            self._on_failure(error)

    def _begin(self) -> None:
        queue = self._queue
        records = [queue.popleft() for _ in range(min(len(queue), CHUNK_RECORDS))]
        self._on_room()
        work = self._steps.apply(self._tp, records)
        turns = tuple(map(Turn, self._last_turns))
        self._last_turns = turns
        next_offset, generation = records[-1].offset + 1, self._generation
        task = asyncio.create_task(self._deliver(work, turns, next_offset, generation))
        self._in_flight[task] = time.monotonic()
        task.add_done_callback(self._ended)

    async def _deliver(self, work: Any, turns: tuple[Turn, ...], next_offset: int, generation: int) -> None:
        to_log, to_answer, acknowledgement = turns
        try:
            await self._steps.deliver(work, to_log=to_log, to_answer=to_answer, generation=generation)
            await acknowledgement.wait()
            # 6. acknowledge the source offsets, strictly in order; only they are committed
            self._acknowledge(self._tp, next_offset, generation)
            acknowledgement.over()
        except Superseded as reason:
            log.info("%s[%d] up to %d left to its next owner: %s", *self._tp, next_offset, reason)
            for turn in turns:
                turn.abandon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._slots.release()
        # A chunk that failed never lets its successors be acknowledged: the worker ends and they are
        # replayed.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

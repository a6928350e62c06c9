"""The lane of the source topic: a `PartitionLane` for each partition that this worker owns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from faust.types import TP

from stream_app.streaming.partition_lane import PartitionLane, Steps


class SourceLane:
    """Implements `lane.protocol.Lane`."""

    def __init__(
        self,
        topic: str,
        steps: Steps,
        *,
        current_generation: Callable[[], int],
        acknowledge: Callable[[TP, int, int], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.topic = topic
        self._steps = steps
        self._current_generation = current_generation
        self._acknowledge = acknowledge
        self._on_failure = on_failure
        self._partitions: dict[TP, PartitionLane] = {}
        self._room = asyncio.Event()

    def accepts(self, tp: TP) -> bool:
        lane = self._partitions.get(tp)
        return lane is None or lane.has_room

    def take(self, tp: TP, records: Sequence[Any], *, generation: int) -> None:
        lane = self._partitions.get(tp)
        if lane is None:
            lane = self._partitions[tp] = PartitionLane(
                tp,
                self._steps,
                current_generation=self._current_generation,
                acknowledge=self._acknowledge,
                on_failure=self._on_failure,
                on_room=self._room.set,
            )
        lane.take(records, generation=generation)

    async def take_over(self, partitions: Collection[TP]) -> None:
        await self._steps.take_over(partitions)

    async def recovered(self, partitions: Collection[TP], *, generation: int) -> set[TP]:
        return await self._steps.recovered(partitions, generation=generation)

    async def wait_for_room(self, *, timeout_s: float) -> None:
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), timeout_s)
        except TimeoutError:
            return

    async def drain(self, *, timeout_s: float) -> bool:
        """Forget what is queued and wait for what is in flight; every partition then starts anew."""
        lanes = tuple(self._partitions.values())
        self._partitions.clear()
        for lane in lanes:
            lane.close()
        waiting = [asyncio.create_task(lane.drain()) for lane in lanes]
        late: set[asyncio.Task[None]] = set()
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout_s)
        for task in late:
            task.cancel()
        self._steps.forget_ownership()
        return not late

    @property
    def in_flight(self) -> int:
        """How many chunks are under way."""
        return sum(lane.in_flight for lane in self._partitions.values())

    def oldest_age_s(self) -> float:
        """How long the oldest chunk has been under way; safe to call from another thread."""
        now = time.monotonic()
        return max((lane.oldest_age_s(now) for lane in tuple(self._partitions.values())), default=0.0)

"""The demo from its first process to its last: what starts when, what waits for what, how all of it ends."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_app.brokers import Broker
from stream_app.demo.children import Child
from stream_app.demo.errors import DemoFailed, Interrupted
from stream_app.demo.interruption import Interruption
from stream_app.demo.observing import Observer
from stream_app.demo.pacing import UNTIL_RETRAINING, Stage
from stream_app.demo.progress import Progress
from stream_app.demo.replay import offsets_after, send_history, send_live
from stream_app.demo.rivals import Rivals
from stream_app.demo.sample_log import read_sample
from stream_app.demo.surroundings import PARTITIONS, TOPICS, K, Surroundings
from stream_app.demo.trainer import Trainer, threads_beside_a_worker
from stream_app.streaming.topic_admin import await_broker, create_topics
from stream_app.streaming.topics import plan as planned_topics

_WORKER_GRACE_S, _OTHERS_GRACE_S = 6.0, 1.0
_FIRST_ANSWER_LIMIT_S = 90.0
_SWAP_LIMIT_S = 60.0
_DRAIN_LIMIT_S = 20.0
_QUIET_S = 0.5
_POLL_S = 0.05
_TRAINER_NICENESS = 3

View = Callable[[Progress], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What was asked for; `seconds` counts from the beginning of the command, None: as long as it takes."""

    interactions: Path
    items: Path
    events: int
    seconds: float | None
    events_per_second: float
    fit_seconds: float


class Demo:
    """One run. `perform` returns when it is over; `end`, at any time, leaves no process behind."""

    def __init__(
        self, plan: DemoPlan, *, progress: Progress, surroundings: Surroundings, broker: Broker
    ) -> None:
        self._plan = plan
        self._progress = progress
        self._broker = broker
        self._kafka = surroundings.kafka
        self._folder = surroundings.folder
        self._environment = surroundings.environment(os.environ)
        self._observer = Observer(progress=progress)
        self._trainer = Trainer(
            start=self._start_trainer,
            progress=progress,
            interactions=plan.interactions,
            fit_seconds=plan.fit_seconds,
        )
        self._children: list[Child] = []

    async def perform(self, view: View, interruption: Interruption) -> None:
        """Play the whole of it, or as much as the plan's seconds allow.

        Raises:
            DemoFailed: a part of it failed.
            Interrupted: SIGINT, SIGTERM or SIGHUP came.
        """
        await await_broker(self._kafka)
        await create_topics(self._kafka, planned_topics(TOPICS, partitions=PARTITIONS))
        worker = self._start("worker", ["worker"])
        try:
            await _until_the_first(
                interruption.awaited(),
                self._play(worker),
                worker.runs_for_ever(),
                self._broker_runs(),
                self._observer.run(self._kafka),
                view(self._progress),
                limit_s=self._seconds_left(),
            )
        except Interrupted:
            raise
        except Exception as failure:
            if self._broker.pid is None:  # which is why the others failed
                raise self._broker_ended() from failure
            raise
        self._progress.ended_s = self._progress.elapsed_s()

    def end(self) -> None:
        """End every process but the broker; harmless when they are gone."""
        for child in reversed(self._children):
            child.end(grace_s=_WORKER_GRACE_S if child.name == "worker" else _OTHERS_GRACE_S)
        self._children.clear()

    # -- what happens, in two lines at a time

    async def _play(self, worker: Child) -> None:
        try:
            async with asyncio.TaskGroup() as lines:
                lines.create_task(self._train(worker))
                lines.create_task(self._feed(worker))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _train(self, worker: Child) -> None:
        """A first model from the history, later one from Kafka, each swapped in while events flow."""
        progress = self._progress
        training = asyncio.ensure_future(self._trainer.first())
        # Its process takes a while to end after it has announced the model.
        await _until(lambda: training.done() or bool(progress.swaps))
        if training.done():
            training.result()
            await self._swapped(1, worker)
        progress.stage = Stage.SERVING
        begin = UNTIL_RETRAINING * progress.live_total
        await _until(lambda: progress.events >= begin)
        progress.stage = Stage.RETRAINING
        await training
        if await self._trainer.again():
            await self._swapped(2, worker)
            progress.stage = Stage.SWAPPED
        else:
            progress.stage = Stage.KEPT

    async def _feed(self, worker: Child) -> None:
        """The history as fast as it goes, then the rest at the set speed; over when all of it is answered."""
        progress = self._progress
        # Before the events, so that trending can recommend from the first one on.
        items = self._start("items", ["items", "load", str(self._plan.items)])
        # Read while the worker starts.
        log = await asyncio.to_thread(read_sample, self._plan.interactions, self._plan.items)
        live, rivals = log.live[: self._plan.events], Rivals(items=len(log.item_ids), k=K)
        progress.live_total, progress.history_total = len(live), len(log.history)
        progress.tally.live_from = offsets_after(log.history)
        progress.titles = log.titles
        await items.succeeded()
        await send_history(self._kafka, log.history, rivals=rivals, progress=progress)
        if not await _until(
            lambda: progress.first_recommendation_s is not None, limit_s=_FIRST_ANSWER_LIMIT_S
        ):
            raise worker.failure(f"the worker has recommended nothing within {_FIRST_ANSWER_LIMIT_S:.0f} s")
        # Else the latency would be the time that an event waits behind the history.
        await _until(lambda: progress.history_answered >= progress.history_total)
        if progress.stage is Stage.STARTING:
            progress.stage = Stage.FIRST_TRAINING
        await send_live(
            self._kafka,
            live,
            rivals=rivals,
            progress=progress,
            at_most=self._plan.events_per_second,
        )
        progress.stage = Stage.ENDING
        await _until(lambda: not progress.latencies.waiting, limit_s=_DRAIN_LIMIT_S)
        # A list's outcome follows it.
        await _until(
            lambda: time.monotonic() - self._observer.last_record_s > _QUIET_S, limit_s=_DRAIN_LIMIT_S
        )

    async def _swapped(self, count: int, worker: Child) -> None:
        if not await _until(lambda: len(self._progress.swaps) >= count, limit_s=_SWAP_LIMIT_S):
            raise worker.failure(f"the worker has not taken model {count} within {_SWAP_LIMIT_S:.0f} s")

    # -- processes

    def _start(
        self, name: str, arguments: Sequence[str], *, nice: int = 0, threads: int | None = None
    ) -> Child:
        environment = self._environment | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        child = Child(name, arguments, folder=self._folder, environment=environment, nice=nice)
        self._children.append(child)
        return child

    def _start_trainer(self, name: str, arguments: Sequence[str]) -> Child:
        # Whoever answers events goes before whoever learns from them.
        return self._start(name, arguments, nice=_TRAINER_NICENESS, threads=threads_beside_a_worker())

    async def _broker_runs(self) -> None:
        await _until(lambda: self._broker.pid is None)
        raise self._broker_ended()

    def _broker_ended(self) -> DemoFailed:
        return DemoFailed(
            f"{self._broker.name} ended in the middle of the demo; its log is in {self._folder / 'broker'}"
        )

    def _seconds_left(self) -> float | None:
        if self._plan.seconds is None:
            return None
        return max(self._plan.seconds - self._progress.elapsed_s(), 0.0)


async def _until(condition: Callable[[], bool], *, limit_s: float = float("inf")) -> bool:
    """Wait for it; False when it has not come true within the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _until_the_first(*parts: Coroutine[Any, Any, None], limit_s: float | None) -> None:
    """Run them until one has ended, or time is up; then none of them runs. Raises its error."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in ended:
            task.result()

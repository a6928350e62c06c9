"""Whether a worker gets on, for /ready and for the watchdog, and how it ends where it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from stream_app.domain.history import UnknownFormat
from stream_app.streaming.lane.store import DiskFailed
from stream_app.streaming.metrics import BadShare
from stream_app.streaming.source_lane import SourceLane
from stream_app.streaming.topic_admin import until_one_vanishes
from stream_app.streaming.touches import EpochPassed
from stream_app.streaming.watchdog import Limit, Stopwatch, Watchdog, end_process
from stream_app.streaming.worker_app import WorkerApp

log = logging.getLogger(__name__)

_LOOP_STALL_LIMIT_S = 60.0
_HALF_BAD = 0.5


class VitalSigns:
    """Looks at what shows that the worker is alive; started once its lane is there."""

    def __init__(self, app: WorkerApp, *, bad_share: BadShare) -> None:
        self._app = app
        self._bad_share = bad_share
        self._recovering = Stopwatch()
        self._beat = Stopwatch()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False

    def start(
        self,
        lane: SourceLane,
        *,
        chunk_age_limit_s: float,
        recovery_age_limit_s: float,
        kafka: Mapping[str, Any],
        topics: Sequence[str],
    ) -> None:
        """End the process from now on when a limit is passed, or one of the topics vanishes."""
        self._started = True
        self._tasks += [
            asyncio.create_task(self._keep_beating(), name="heartbeat of the loop"),
            asyncio.create_task(_watch_topics(kafka, topics), name="topics"),
        ]
        Watchdog(
            [
                Limit("the oldest chunk in flight", lane.oldest_age_s, chunk_age_limit_s),
                Limit("the recovery", self._recovery_age_s, recovery_age_limit_s),
                Limit("the event loop's last turn", self._beat.age_s, _LOOP_STALL_LIMIT_S),
            ]
        ).start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def missing(self) -> list[str]:
        """What keeps the worker from serving; nothing when it is ready."""
        app, reasons = self._app, []
        if not self._started:
            reasons.append("starting")
        elif app.rebalancing or not app.has_joined:
            reasons.append("no partitions assigned yet")
        elif app.in_recovery:
            reasons.append("recovering state from the changelog")
        elif not app.fence.fresh:
            reasons.append("the broker does not answer")
        if self._bad_share.value() > _HALF_BAD:
            reasons.append("more than half of the last minute's events are bad: see the dead letters")
        return reasons

    def _recovery_age_s(self) -> float:
        self._recovering.set(bool(self._app.rebalancing or self._app.in_recovery))
        return self._recovering.age_s()

    async def _keep_beating(self) -> None:
        while True:
            self._beat.set(False)
            self._beat.set(True)
            await asyncio.sleep(0.5)


async def _watch_topics(kafka: Mapping[str, Any], topics: Sequence[str]) -> None:
    # aiokafka would ask for a topic that is gone for ever, ten thousand times a second.
    name = await until_one_vanishes(kafka, topics)
    end_process(f"topic {name} has vanished; create it (millstream topics create) and start the worker again")


def end_with(error: BaseException) -> None:
    """End the process after a chunk or a recovery failed; on purpose: whoever takes over replays it."""
    if isinstance(error, UnknownFormat | EpochPassed | DiskFailed):
        end_process(str(error))
    with suppress(Exception):
        log.error("a chunk failed", exc_info=error)
    end_process(f"a chunk failed ({type(error).__name__}: {error}); ending, so that it is replayed")

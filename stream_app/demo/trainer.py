"""The trainer beside the demo: first on the history, then on what is in Kafka."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stream_app.demo.children import Child
from stream_app.demo.progress import Progress
from stream_app.demo.sample_log import HISTORY_SHARE

_SAYS_EVERY_S = 0.3
_MOST_THREADS = 4

StartChild = Callable[[str, Sequence[str]], Child]


class Trainer:
    """Runs the same commands that a person would, one after another; a fit ends after `fit_seconds`."""

    def __init__(
        self, *, start: StartChild, progress: Progress, interactions: Path, fit_seconds: float
    ) -> None:
        self._start = start
        self._progress = progress
        self._interactions = str(interactions)
        self._seconds = str(fit_seconds)

    async def first(self) -> None:
        """Train on the history, publish, announce. Raises DemoFailed."""
        until = str(HISTORY_SHARE)
        arguments = ["train", self._interactions, "--until", until, "--seconds", self._seconds, "--announce"]
        child = await self._run("train", arguments)
        await child.succeeded()

    async def again(self) -> bool:
        """Train on the events topic, compare, publish, announce; False where the new model was no better.

        Raises DemoFailed.
        """
        child = await self._run("retrain", ["retrain", "--seconds", self._seconds, "--json"])
        if _was_refused(child.printed()):
            return False
        await child.succeeded()
        return True

    async def _run(self, name: str, arguments: Sequence[str]) -> Child:
        """Run it to its end, well or badly."""
        child = self._start(name, arguments)

        async def listen() -> None:
            while True:
                self._progress.trainer_says = child.last_line
                await asyncio.sleep(_SAYS_EVERY_S)

        listening = asyncio.create_task(listen())
        try:
            await child.ended()
        finally:
            listening.cancel()
            self._progress.trainer_says = ""
        return child


def threads_beside_a_worker() -> int:
    """How many threads a fit gets: one core is the worker's, and a small model gains nothing by many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(cores - 1, 1), _MOST_THREADS)


def _was_refused(printed: str) -> bool:
    lines = printed.splitlines()
    try:
        said: Any = json.loads(lines[-1]) if lines else None
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("version") is None and not said["gate"]["passed"]

"""Ends a worker that no longer gets on, and one that cannot stop.

A Faust worker can hang without a word: an exception inside recovery ends it silently, a missing topic
leaves a chunk in flight for ever. The watchdog runs in a thread of its own, so that a blocked event loop
does not silence it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

EXIT_FAILURE = 1


@dataclass(frozen=True)
class Limit:
    """An age that must not grow beyond `limit_s`; `age_s` is called from the watchdog's thread."""

    what: str
    age_s: Callable[[], float]
    limit_s: float


def end_process(reason: str) -> None:
    """Say why on stderr, and end at once: no clean-up can be trusted to return."""
    print(f"millstream: {reason}", file=sys.stderr, flush=True)
    os._exit(EXIT_FAILURE)


class Watchdog:
    """Looks at every limit once in `interval_s`; ends the process at the first that is passed."""

    def __init__(
        self, limits: list[Limit], *, interval_s: float = 1.0, end: Callable[[str], None] = end_process
    ) -> None:
        self._limits = limits
        self._interval_s = interval_s
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            for limit in self._limits:
                age_s = limit.age_s()
                if age_s > limit.limit_s:
                    self._end(
                        f"{limit.what} is {age_s:.0f} s old, and more than {limit.limit_s:.0f} s are a hang; "
                        "ending, so that a new worker starts and replays what was not committed"
                    )
                    return


class Stopwatch:
    """How long something has been going on; 0 while it is not."""

    def __init__(self) -> None:
        self._since: float | None = None

    def set(self, going_on: bool) -> None:
        if not going_on:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()

    def age_s(self) -> float:
        since = self._since
        return 0.0 if since is None else time.monotonic() - since


def force_exit_after(
    seconds: float, *, reason: str, end: Callable[[str], None] = end_process
) -> threading.Timer:
    """End the process after a time, unless the timer is cancelled or the process is gone by then."""
    timer = threading.Timer(seconds, end, args=(reason,))
    timer.daemon = True
    timer.start()
    return timer

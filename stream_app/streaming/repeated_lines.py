"""A log that stays readable: without a broker, aiokafka alone would say 170 lines a second."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

_Line = tuple[str, int, str]


@dataclass(slots=True)
class _Said:
    since: float
    times: int
    left_out: int = 0


class RepeatedLines(logging.Filter):
    """Lets a warning or an error through `burst` times in `interval_s`; then says how often it was left out.

    Lines are the same where logger, level and template are; what was filled in does not count. It is a filter
    for loggers and not for handlers: it must see each line once, and says more in some. `later` calls a
    function in so many seconds, from any thread.
    """

    def __init__(
        self,
        *,
        burst: int = 1,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        super().__init__()
        self._burst = burst
        self._interval_s = interval_s
        self._clock = clock
        self._later = later or _call_later
        self._said: dict[_Line, _Said] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        line = record.name, record.levelno, str(record.msg)
        now = self._clock()
        with self._lock:
            said = self._said.get(line)
            if said is None or (now - said.since >= self._interval_s and not said.left_out):
                self._said[line] = _Said(now, 1)
                return True
            if said.times < self._burst:
                said.times += 1
                return True
            said.left_out += 1
            if said.left_out == 1:
                wait_s = max(said.since + self._interval_s - now, 0.0)
                self._later(wait_s, partial(self._tell, line, copy.copy(record)))
        return False

    def _tell(self, line: _Line, record: logging.LogRecord) -> None:
        with self._lock:
            left_out = self._said[line].left_out
            # What goes on is told at the end of the next interval, and not `burst` times more.
            self._said[line] = _Said(self._clock(), self._burst)
        if left_out > 1:
            record.msg = f"{record.msg} (and {left_out - 1} more like it)"
        logging.getLogger(record.name).callHandlers(record)


def limit_repeated_lines(library: str, repeated: RepeatedLines) -> None:
    """Filter the lines of every logger that a library has made so far."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == library:
            logging.getLogger(name).addFilter(repeated)


def _call_later(seconds: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()

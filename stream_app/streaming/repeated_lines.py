"""A log that stays readable while the broker is away: aiokafka alone would say 170 lines a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_Line = tuple[str, int, str]


class RepeatedLines(logging.Filter):
    """Lets a warning or an error through once in `interval_s`, with how often it was left out since.

    Lines are the same where logger, level and template are; what was filled in does not count. It is a filter
    for loggers and not for handlers: it must see each line once, and says more in some.
    """

    def __init__(self, *, interval_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._clock = clock
        self._said: dict[_Line, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        line = record.name, record.levelno, str(record.msg)
        now = self._clock()
        with self._lock:
            since, left_out = self._said.get(line, (-self._interval_s, 0))
            if now - since < self._interval_s:
                self._said[line] = since, left_out + 1
                return False
            self._said[line] = now, 0
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like it)"
        return True


def limit_repeated_lines(library: str, repeated: RepeatedLines) -> None:
    """Filter the lines of every logger that a library has made so far."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == library:
            logging.getLogger(name).addFilter(repeated)

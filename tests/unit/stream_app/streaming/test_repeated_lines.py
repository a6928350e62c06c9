"""What a log says while a library repeats itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from stream_app.streaming.repeated_lines import RepeatedLines, limit_repeated_lines


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self._due.append((self.now + seconds, what))

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        due = [what for at, what in self._due if at <= self.now]
        self._due = [one for one in self._due if one[0] > self.now]
        for what in due:
            what()


@pytest.fixture
def burst() -> int:
    return 1


@pytest.fixture
def clock(burst: int) -> Clock:
    clock = Clock()
    noisy = [logging.getLogger(name) for name in ("noisy", "noisy.client", "noisy.other")]
    for logger in noisy:
        logger.filters.clear()
    limit_repeated_lines("noisy", RepeatedLines(burst=burst, interval_s=5, clock=clock, later=clock.later))
    return clock


def test_a_repeated_line_is_said_once_and_counted(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    noisy = logging.getLogger("noisy.client")
    for number in range(10):
        noisy.error("cannot connect to %s", number)
        clock.go_on(0.1)
    assert caplog.messages == ["cannot connect to 0"]

    clock.go_on(4.1)
    assert caplog.messages[1:] == ["cannot connect to 1 (and 8 more like it)"]


def test_what_goes_on_is_told_once_in_each_interval(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    for number in range(30):
        logging.getLogger("noisy").error("cannot connect to %s", number)
        clock.go_on(1)
    assert caplog.messages == ["cannot connect to 0"] + [
        f"cannot connect to {first} (and {more} more like it)"
        for first, more in ((1, 3), (5, 4), (10, 4), (15, 4), (20, 4), (25, 4))
    ]


def test_what_comes_again_after_a_silence_is_said_at_once(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    for _ in range(2):
        logging.getLogger("noisy").error("cut off")
        clock.go_on(6)
    assert caplog.messages == ["cut off"] * 2


@pytest.mark.parametrize("burst", [3])
def test_a_few_lines_in_a_row_are_all_said(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    for number in range(6):
        logging.getLogger("noisy").error("item %s", number)
    clock.go_on(5)
    assert caplog.messages == ["item 0", "item 1", "item 2", "item 3 (and 2 more like it)"]


def test_the_count_comes_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """By the real clock, from a thread of its own."""
    logger = logging.getLogger("noisy.real")
    limit_repeated_lines("noisy", RepeatedLines(interval_s=0.1))
    for _ in range(3):
        logger.error("again")
    deadline = time.monotonic() + 5
    while len(caplog.messages) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    logger.filters.clear()
    assert caplog.messages == ["again", "again (and 1 more like it)"]


def test_different_lines_and_other_libraries_are_all_said(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    for _ in range(2):
        logging.getLogger("noisy").error("one")
        logging.getLogger("noisy").warning("one")
        logging.getLogger("noisy.other").error("one")
        logging.getLogger("noisymaker").error("two")
    assert sorted(caplog.messages) == ["one"] * 3 + ["two"] * 2


def test_information_is_never_left_out(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        logging.getLogger("noisy").info("joined")
    assert caplog.messages == ["joined"] * 3

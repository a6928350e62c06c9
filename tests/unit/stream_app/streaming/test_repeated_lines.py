"""What a log says while a library repeats itself."""

from __future__ import annotations

import logging

import pytest

from stream_app.streaming.repeated_lines import RepeatedLines, limit_repeated_lines


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    noisy = [logging.getLogger(name) for name in ("noisy", "noisy.client", "noisy.other")]
    for logger in noisy:
        logger.filters.clear()
    limit_repeated_lines("noisy", RepeatedLines(interval_s=5, clock=clock))
    return clock


def test_a_repeated_line_is_said_once_and_counted(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    noisy = logging.getLogger("noisy.client")
    for number in range(10):
        noisy.error("cannot connect to %s", number)
    assert caplog.messages == ["cannot connect to 0"]

    clock.now += 5
    noisy.error("cannot connect to %s", 10)
    noisy.error("cannot connect to %s", 11)
    assert caplog.messages[1:] == ["cannot connect to 10 (and 9 more like it)"]


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

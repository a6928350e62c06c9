"""When the watchdog ends a worker."""

from __future__ import annotations

import subprocess
import sys
import threading

from stream_app.streaming.watchdog import Limit, Stopwatch, Watchdog


def test_it_ends_a_worker_that_no_longer_gets_on_and_says_why() -> None:
    reasons: list[str] = []
    ended = threading.Event()

    def end(reason: str) -> None:
        reasons.append(reason)
        ended.set()

    ages = {"young": 1.0, "old": 31.0}
    limits = [Limit(what, lambda what=what: ages[what], 30) for what in ages]  # type: ignore[misc]
    Watchdog(limits, interval_s=0.01, end=end).start()
    assert ended.wait(5)
    assert reasons[0].startswith("old is 31 s old, and more than 30 s")


def test_it_leaves_a_worker_alone_that_gets_on() -> None:
    reasons: list[str] = []
    watchdog = Watchdog([Limit("chunk", lambda: 29.0, 30)], interval_s=0.01, end=reasons.append)
    watchdog.start()
    threading.Event().wait(0.1)
    watchdog.stop()
    assert reasons == []


def test_a_stopwatch_counts_only_while_something_goes_on() -> None:
    watch = Stopwatch()
    assert watch.age_s() == 0
    watch.set(True)
    threading.Event().wait(0.02)
    watch.set(True)
    assert watch.age_s() >= 0.02
    watch.set(False)
    assert watch.age_s() == 0


def test_a_process_whose_event_loop_is_blocked_is_ended_with_one_line_and_code_1() -> None:
    program = (
        "import time; from stream_app.streaming.watchdog import Limit, Watchdog;"
        "Watchdog([Limit('the loop', lambda: 9.0, 1)], interval_s=0.05).start(); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.startswith("millstream: the loop is 9 s old")
    assert done.stderr.count("\n") == 1

"""The demo as a person runs it: the real command, the real sample, every process its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

EVENTS = 2_000
KEYS = ["events", "recommendations", "outcomes", "dead_letters", "hit_rate_at_10", "latency_ms", "models"]
KEYS += ["seconds_to_first", "seconds"]


class RunningDemo:
    """A demo in a process of its own, with everything it has started."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.data = folder / "data"
        self.stderr = folder / "stderr"
        command = [sys.executable, "-m", "stream_app", "demo", "--folder", str(self.data), "--json", *options]
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        self._seen: set[psutil.Process] = set()

    def children(self) -> dict[str, psutil.Process]:
        """Those that run now, by what they are."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            self._seen.add(child)
            command = child.cmdline()
            found["broker" if "broker" in command[1:2] else command[3] if len(command) > 3 else "?"] = child
        return found

    def await_children(self, *names: str) -> dict[str, psutil.Process]:
        """Wait until these run."""
        return until(lambda: found if set(names) <= set(found := self.children()) else None, limit_s=60)

    def ended(self, *, limit_s: float) -> int:
        """The exit code."""
        return self.process.wait(limit_s)

    def survivors(self) -> list[psutil.Process]:
        """Those of its processes that still run."""
        return [one for one in self._seen if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    def said(self) -> str:
        return self.stderr.read_text()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for one in self.survivors():
            one.kill()


def until(condition: Callable[[], Any], *, limit_s: float) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.05)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningDemo]]:
    started: list[RunningDemo] = []

    def start_one(*options: str) -> RunningDemo:
        started.append(RunningDemo(tmp_path, *options))
        return started[-1]

    yield start_one
    for demo in started:
        demo.kill()


@pytest.mark.timeout(600)
def test_a_short_demo_closes_the_loop_and_leaves_no_process(start: Callable[..., RunningDemo]) -> None:
    demo = start("--events", str(EVENTS), "--fit-seconds", "3")
    demo.await_children("broker", "worker", "train")
    code = demo.ended(limit_s=560)
    assert code == 0, demo.said()
    assert demo.process.stdout is not None
    facts = json.loads(demo.process.stdout.read().splitlines()[-1])
    assert list(facts) == KEYS
    assert (facts["events"], facts["recommendations"], facts["dead_letters"]) == (EVENTS, EVENTS, 0)
    assert 0.5 * EVENTS < facts["outcomes"] <= EVENTS
    rates = facts["hit_rate_at_10"]
    # Three seconds make no good model; how good a good one is, the evaluation's tests tell.
    assert 1 > rates["model"] > rates["random"] > 0
    assert 1 > rates["popularity"] > rates["random"]
    assert 0 < facts["latency_ms"]["p50"] <= facts["latency_ms"]["p99"]
    first, by_model = (facts["seconds_to_first"][name] for name in ("recommendation", "model_recommendation"))
    assert 0 < first < by_model < facts["seconds"]
    published = sorted(path.name for path in (demo.data / "registry").iterdir() if path.name[0] != ".")
    assert facts["models"] == published
    assert 1 <= len(published) <= 2
    assert demo.survivors() == []
    logs = {path.name for path in demo.data.rglob("*.log")}
    assert {"broker.log", "worker.log", "train.log", "retrain.log"} <= logs
    assert demo.said().count(str(demo.data)) >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_all_its_processes(
    start: Callable[..., RunningDemo], number: signal.Signals
) -> None:
    demo = start()
    demo.await_children("broker", "worker", "train")
    demo.process.send_signal(number)
    assert demo.ended(limit_s=30) == 128 + number
    assert demo.survivors() == []
    assert f"data and logs are in {demo.data}" in demo.said()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_kill_9_leaves_no_process(start: Callable[..., RunningDemo]) -> None:
    demo = start()
    demo.await_children("broker", "worker", "train")
    demo.process.kill()
    demo.ended(limit_s=10)
    until(lambda: not demo.survivors(), limit_s=10)


@pytest.mark.parametrize("part", ["worker", "broker", "train"])
def test_a_part_that_dies_is_told_and_ends_the_rest(start: Callable[..., RunningDemo], part: str) -> None:
    demo = start()
    running = demo.await_children("broker", "worker", "train")
    until(lambda: (demo.data / "worker.log").stat().st_size, limit_s=60)
    os.kill(running[part].pid, signal.SIGKILL)
    assert demo.ended(limit_s=60) == 1
    assert demo.survivors() == []
    reported = demo.said()
    assert {"worker": "worker ended", "broker": "broker ended", "train": "train failed"}[part] in reported
    assert str(demo.data) in reported.splitlines()[-1]


def test_a_folder_in_use_is_refused(tmp_path: Path, start: Callable[..., RunningDemo]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something").touch()
    demo = start()
    assert demo.ended(limit_s=30) == 2
    assert "not empty" in demo.said()

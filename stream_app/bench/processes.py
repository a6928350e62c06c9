"""Processes that are measured: each on its own core, its CPU time and memory noted as it runs. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SAMPLE_EVERY_S = 0.02
_LAST_LINES = 15


class BenchError(Exception):
    """A benchmark could not be run, or its result would be wrong."""


class Cores(NamedTuple):
    """The core of what is measured, and the one of everything else."""

    worker: int
    broker: int


def two_cores() -> Cores:
    """Two cores of this machine. Raises BenchError where there are fewer, or no way to choose."""
    if sys.platform != "linux":
        raise BenchError("processes are pinned and watched as Linux does it; run this benchmark on Linux")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("two cores are needed, one for the worker and one for the broker; there is one")
    return Cores(worker=allowed[0], broker=allowed[1])


def pin(pid: int, core: int) -> None:
    """Keep every thread of a process on one core; threads that it starts later stay there too."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


class Sample(NamedTuple):
    """What a process had used at a moment."""

    at: float
    cpu_s: float
    rss_bytes: int


class MeasuredProcess:
    """A process on one core, sampled fifty times a second; a context manager that ends it."""

    def __init__(
        self, command: Sequence[str], *, core: int, environment: Mapping[str, str], log: Path
    ) -> None:
        self._log = log
        self.environment = dict(environment)
        self.samples: list[Sample] = []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)
        self._sampler.start()

    def __enter__(self) -> MeasuredProcess:
        return self

    def __exit__(self, *reason: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL after ten seconds."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._sampler.join()

    def check(self) -> None:
        """Raise BenchError, with its last words, where it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            words = "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
            raise BenchError(f"the measured process ended with code {code}; its last words:\n{words}")

    def cpu_s_between(self, begin: float, end: float) -> float:
        """CPU seconds that it used between two moments (seconds since the epoch), interpolated."""
        return self._cpu_s_at(end) - self._cpu_s_at(begin)

    @property
    def rss_mb(self) -> float:
        """The largest resident memory that was seen, in 10⁶ bytes."""
        return max((sample.rss_bytes for sample in self.samples), default=0) / 1e6

    def _cpu_s_at(self, at: float) -> float:
        before = self.samples[0]
        for sample in self.samples:
            if sample.at >= at:
                share = (at - before.at) / (sample.at - before.at) if sample.at > before.at else 0.0
                return before.cpu_s + share * (sample.cpu_s - before.cpu_s)
            before = sample
        return before.cpu_s

    def _sample(self) -> None:
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        stat = Path(f"/proc/{self._process.pid}/stat")
        while self._process.poll() is None:
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                return
            # After the name come state, ppid, …: utime is field 14 of the line, stime 15, rss 24.
            cpu_s, rss = (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page
            self.samples.append(Sample(time.time(), cpu_s, rss))
            time.sleep(_SAMPLE_EVERY_S)

"""The demo's processes: each with a log of its own, watched, and ended with whatever it has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stream_app.brokers.process import spawn
from stream_app.demo.errors import DemoFailed

_POLL_S = 0.1
_TAIL_LINES = 12


class Child:
    """One `millstream …` command; what it prints goes to `<name>.out`, what it says to `<name>.log`."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        nice: int = 0,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._out = folder / f"{name}.out"
        with self.log.open("ab") as log, self._out.open("wb") as out:
            command = [sys.executable, "-m", "stream_app", *arguments]
            self._process = spawn(command, environment=environment, stdout=out, stderr=log)
        if nice:
            _step_back(self._process.pid, nice)

    @property
    def last_line(self) -> str:
        """What it said last; empty so far."""
        lines = self.last_lines(1)
        return lines[0] if lines else ""

    def last_lines(self, count: int = _TAIL_LINES) -> list[str]:
        """The end of its log, without empty lines."""
        with self.log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - 16_384, 0))
            text = log.read().decode(errors="replace")
        return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]

    def printed(self) -> str:
        """Everything that it printed."""
        return self._out.read_text(errors="replace")

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        while (code := self._process.poll()) is None:
            await asyncio.sleep(_POLL_S)
        return code

    async def succeeded(self) -> None:
        """Wait for its end. Raises DemoFailed unless the exit code is 0."""
        if code := await self.ended():
            raise self.failure(f"{self.name} failed with code {code}")

    async def runs_for_ever(self) -> None:
        """Raises DemoFailed as soon as it ends."""
        code = await self.ended()
        raise self.failure(f"{self.name} ended with code {code} in the middle of the demo")

    def failure(self, fact: str) -> DemoFailed:
        """The fact, what the process said last, and where the rest is."""
        return DemoFailed(f"{fact}; its log is {self.log}", said=self.last_lines())

    def end(self, *, grace_s: float) -> None:
        """SIGTERM, and SIGKILL for it and all that it started after `grace_s`."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        # Also when it is gone itself: what it started is in its group.
        self._signal(signal.SIGKILL)
        self._process.wait()
        if not self._out.stat().st_size:
            self._out.unlink()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _step_back(pid: int, nice: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    # Where Linux shares the processor among sessions, niceness counts within one; each child has its own.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))

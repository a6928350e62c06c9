"""A worker as it runs in the world: a process of its own, with its log, its pages and its disk."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from stream_app.brokers.ports import free_port
from stream_app.streaming.topics import TopicNames

BIN = Path(sys.executable).parent
MILLSTREAM = (sys.executable, "-m", "stream_app", "worker")
FAUST = (str(BIN / "faust"), "-A", "stream_app.app", "worker", "-l", "info")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class WorkerProcess:
    """One worker on a broker: started, killed, frozen, stopped, started again on the same disk.

    `settings` are those of `stream_app.settings`, by their names there.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        app_id: str,
        folder: Path,
        name: str = "worker",
        partitions: int = 4,
        command: Sequence[str] = MILLSTREAM,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.app_id = app_id
        self.names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
        self.disk = folder / f"{name}-state"
        self._log_file = folder / f"{name}.log"
        self._command = list(command)
        self._settings = {
            "kafka_bootstrap_servers": bootstrap_servers,
            "app_id": app_id,
            "topic_prefix": self.names.prefix,
            "partitions": partitions,
            "state_dir": self.disk,
            "registry": folder / "registry",
            "device": "cpu",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def settings(self) -> dict[str, object]:
        """What it runs with, by the names in `stream_app.settings`, but for the port of its pages."""
        return dict(self._settings)

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has said, over all its lives."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.is_running, "running already"
        self._port = int(str(self._settings.get("web_port") or free_port()))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")
        }
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        for name, value in (self._settings | {"web_port": self._port}).items():
            environment[f"MILLSTREAM_{name.upper()}"] = str(value)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    async def ready(self, *, limit_s: float = 60) -> dict[str, object]:
        """Wait until /ready says yes, and return what it says."""
        return await self._until_ready(True, limit_s)

    async def not_ready(self, *, limit_s: float = 60) -> dict[str, object]:
        """Wait until /ready says no, and return what it says."""
        return await self._until_ready(False, limit_s)

    async def _until_ready(self, wanted: bool, limit_s: float) -> dict[str, object]:
        deadline = time.monotonic() + limit_s
        said: dict[str, object] | None = None
        while time.monotonic() < deadline:
            assert self.is_running, f"the worker has ended:\n{self.log[-3000:]}"
            said = await asyncio.to_thread(self._page, "ready")
            if said is not None and said["ready"] is wanted:
                return said
            await asyncio.sleep(0.05)
        raise AssertionError(f"/ready was not {wanted} in {limit_s} s: {said}\n{self.log[-3000:]}")

    def _page(self, name: str) -> dict[str, object] | None:
        body = self._read(name)
        if body is None:
            return None
        found: dict[str, object] = json.loads(body)
        return found

    def _read(self, name: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{name}", timeout=2) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            return error.read()
        except OSError:
            return None

    async def metric(self, name: str) -> float:
        """What /metrics says of a metric without labels."""
        body = await asyncio.to_thread(self._read, "metrics")
        assert body is not None, f"/metrics does not answer\n{self.log[-3000:]}"
        return next(float(line.split()[1]) for line in body.decode().splitlines() if line.split()[0] == name)

    async def says(self, words: str, *, limit_s: float = 30, times: int = 1) -> str:
        """Wait until the log holds `words` so many times; returns the last line with them."""
        deadline = time.monotonic() + limit_s
        while self.log.count(words) < times:
            assert time.monotonic() < deadline, f"{words!r} is not in the log:\n{self.log[-3000:]}"
            await asyncio.sleep(0.05)
        return next(line.rstrip() for line in reversed(self.log.splitlines()) if words in line)

    def kill(self) -> None:
        """kill -9."""
        self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, what: signal.Signals) -> None:
        assert self._process is not None and self.is_running, f"it has ended already:\n{self.log[-3000:]}"
        self._process.send_signal(what)

    async def stop(self, *, limit_s: float = 30) -> tuple[int, float]:
        """SIGTERM; returns the exit code, and how many seconds it took."""
        self.send(signal.SIGTERM)
        began = time.monotonic()
        return await self.ended(limit_s=limit_s), time.monotonic() - began

    async def ended(self, *, limit_s: float = 30) -> int:
        """Wait for its end; returns the exit code."""
        assert self._process is not None
        try:
            return await asyncio.to_thread(self._process.wait, limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit_s} s:\n{self.log[-3000:]}") from None

    def wipe_disk(self) -> None:
        shutil.rmtree(self.disk, ignore_errors=True)

    def clean_up(self) -> None:
        """Let nothing behind, whatever the test did."""
        if self.is_running:
            assert self._process is not None
            self._process.kill()
            self._process.wait(10)


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(1, signal.SIGKILL)

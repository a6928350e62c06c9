"""One server process: started, waited for, ended; gone when its parent is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from stream_app.brokers.broker import BrokerError
from stream_app.brokers.ports import accepts_connections

# Linux ends a child when the *thread* that forked it ends; this one lives as long as the process.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker-spawner")
_PR_SET_PDEATHSIG = 1


class ServerProcess:
    """A server that listens on `host:port`.

    Its own session, so that Ctrl-C in a terminal reaches us alone and the end is in our hands.
    """

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        host: str,
        port: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._command = list(command)
        self._host = host
        self._port = port
        self._folder = folder
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "broker.log"

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *, timeout_s: float) -> None:
        """Start and wait until the port is open.

        Raises:
            BrokerError: already running, somebody else listens there, it ended, or it took too long.
        """
        if self.pid is not None:
            raise BrokerError(f"{self._name} is running already (process {self.pid}); stop it first")
        if accepts_connections(self._host, self._port):
            raise BrokerError(f"port {self._port} is taken on {self._host}; choose another with --port")
        with self.log.open("ab") as log:
            self._process = spawn(
                self._command,
                folder=self._folder,
                environment={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + timeout_s
        while not accepts_connections(self._host, self._port):
            if self._process.poll() is not None:
                code = self._process.returncode
                raise BrokerError(f"{self._name} ended at its start with code {code}: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(
                    f"{self._name} did not listen within {timeout_s:.0f} s: {self._last_words()}"
                )
            time.sleep(0.02)

    def stop(self, *, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `timeout_s`."""
        self._end(signal.SIGTERM, timeout_s=timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL, timeout_s=10)

    def wait(self, timeout_s: float) -> bool:
        """True when it has ended by itself within `timeout_s`."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _end(self, with_signal: signal.Signals, *, timeout_s: float) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(with_signal)
                # A stopped process (SIGSTOP) would not see SIGTERM.
                self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process = None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return f"{lines[-1].strip()[:300]} (all of it in {self.log})" if lines else "it wrote nothing"


def spawn(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    """A process in a session of its own that is gone when this process is, whatever ends it (on Linux).

    Raises OSError where the command cannot be run.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )

    return _spawner.submit(start).result()


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

"""One Apache Kafka for all processes of a test run: an idle one costs a twentieth of a processor.

The process that gives out the tests starts it when the first of the others asks, and stops it at the end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener
from pathlib import Path

from stream_app.brokers import ApacheKafka
from stream_app.brokers.broker import BrokerError

_JAVA_OPTIONS = "JAVA_TOOL_OPTIONS"
_PATIENCE_S = 120
_START_AND_STOP = """
import os, sys, time
from stream_app.brokers import ApacheKafka
broker = ApacheKafka()
broker.start()
begun = time.monotonic()
broker.stop()
if time.monotonic() - begun < 14:  # later it was killed, and what it wrote is not whole
    os.rename(*sys.argv[1:])
"""


@dataclass(frozen=True)
class RunningKafka:
    """An Apache Kafka that somebody else started: it cannot be stopped from here."""

    bootstrap_servers: str
    name: str = ApacheKafka.name
    durable: bool = True


def ask_for(address: str) -> RunningKafka:
    """What the `SharedKafka` there has, started if it was not. Raises BrokerError."""
    with Client(address) as connection:
        if not connection.poll(_PATIENCE_S):
            raise BrokerError(f"no Apache Kafka within {_PATIENCE_S} s")
        servers, problem = connection.recv()
    if problem:
        raise BrokerError(problem)
    return RunningKafka(servers)


def start_java_sooner(archive: Path) -> None:
    """Let Java begin with what is kept in the archive, once it is there: without it, it is slower still."""
    option = f" -XX:SharedArchiveFile={archive}"
    if archive.exists() and option not in os.environ[_JAVA_OPTIONS]:
        os.environ[_JAVA_OPTIONS] += option


class SharedKafka:
    """Answers whoever asks at `address`; one after the other."""

    def __init__(self, folder: Path) -> None:
        """What Java loads for a broker is kept in `archive`, in the folder: see `start_java_sooner`."""
        self.archive = folder / "kafka.jsa"
        self._kafka: ApacheKafka | None = None
        self._archiving: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._listener = Listener()
        threading.Thread(target=self._serve, daemon=True, name="shared-kafka").start()

    @property
    def address(self) -> str:
        return str(self._listener.address)

    def stop(self) -> None:
        self._listener.close()
        with self._one_at_a_time:  # it may be starting
            if self._archiving is not None:
                self._archiving.kill()
                self._archiving.wait()
            if self._kafka is not None:
                self._kafka.stop()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # closed
                return
            # Whoever asked may be gone by now.
            with connection, contextlib.suppress(OSError), self._one_at_a_time:
                connection.send(self._started())

    def _started(self) -> tuple[str, str]:
        if self._kafka is None:
            kafka = ApacheKafka()
            try:
                kafka.start()
            except Exception as error:  # whatever it is: the test that asked says it, and others may ask
                return "", f"{type(error).__name__}: {error}"
            self._kafka = kafka
            self._archiving = self._archive_classes()
        return self._kafka.bootstrap_servers, ""

    def _archive_classes(self) -> subprocess.Popen[bytes]:
        half_made = self.archive.with_suffix(".tmp")
        environment = os.environ | {
            _JAVA_OPTIONS: f"{os.environ[_JAVA_OPTIONS]} -XX:ArchiveClassesAtExit={half_made}",
            "TMPDIR": str(self.archive.parent),  # what it may leave, where it is killed, goes with the folder
        }
        command = [sys.executable, "-c", _START_AND_STOP, str(half_made), str(self.archive)]
        silent = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdout=silent, stderr=silent)

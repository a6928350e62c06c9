"""One Apache Kafka for all processes of a test run: an idle one costs a twentieth of a processor.

The process that gives out the tests starts it when the first of the others asks, and stops it at the end.
"""

from __future__ import annotations

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
_ARCHIVE = "kafka.jsa"
_START_AND_STOP = """
import os, sys
from stream_app.brokers import ApacheKafka
broker = ApacheKafka()
broker.start()
broker.stop()
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
        servers, problem = connection.recv()
    if problem:
        raise BrokerError(problem)
    return RunningKafka(servers)


class SharedKafka:
    """Answers whoever asks at `address`; one after the other."""

    def __init__(self, folder: Path) -> None:
        """What Java loads for a broker is kept in `folder`: those that start later need half the time."""
        self._folder = folder
        self._kafka: ApacheKafka | None = None
        self._archiving: subprocess.Popen[bytes] | None = None
        self._java_options = os.environ.get(_JAVA_OPTIONS, "")
        # Java goes without it as long as it is not there.
        os.environ[_JAVA_OPTIONS] = f"{self._java_options} -XX:SharedArchiveFile={folder / _ARCHIVE}"
        self._listener = Listener()
        threading.Thread(target=self._serve, daemon=True, name="shared-kafka").start()

    @property
    def address(self) -> str:
        return str(self._listener.address)

    def stop(self) -> None:
        self._listener.close()
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
            with connection:
                connection.send(self._started())

    def _started(self) -> tuple[str, str]:
        if self._kafka is None:
            kafka = ApacheKafka()
            try:
                kafka.start()
            except BrokerError as error:
                return "", str(error)
            self._kafka = kafka
            self._archiving = self._archive_classes()
        return self._kafka.bootstrap_servers, ""

    def _archive_classes(self) -> subprocess.Popen[bytes]:
        half_made = self._folder / "half-made.jsa"
        environment = os.environ | {
            _JAVA_OPTIONS: f"{self._java_options} -XX:ArchiveClassesAtExit={half_made}",
            "TMPDIR": str(self._folder),  # what it may leave, where it is killed, goes with the folder
        }
        command = [sys.executable, "-c", _START_AND_STOP, str(half_made), str(self._folder / _ARCHIVE)]
        silent = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdout=silent, stderr=silent)

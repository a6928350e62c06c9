"""Apache Kafka on this machine: one KRaft node, its jars fetched by Maven."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from stream_app.brokers.apache_jars import fetch_jars, find_java
from stream_app.brokers.broker import BrokerError
from stream_app.brokers.ports import free_port
from stream_app.brokers.process import ServerProcess

_HEAP = "-Xmx512m"


class ApacheKafka:
    """A single node, broker and controller in one process, plain text, for this machine only.

    Without `data` the records live in a temporary folder that `stop` removes; `kill` and `restart` keep it.
    """

    name = "Apache Kafka"
    durable = True

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        data: Path | None = None,
        cache: Path | None = None,
        proxied: Sequence[int] = (),
    ) -> None:
        """`proxied` are ports that others listen on and forward to `proxied_targets`: whoever comes in by one
        is told to come back by it."""
        self._proxied = {port: free_port(host) for port in proxied}
        self._host = host
        self._port = port or free_port(host)
        self._given_data = data
        self._data = data
        self._cache = cache
        self._process: ServerProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def proxied_targets(self) -> list[int]:
        """Where to forward to, in the order of `proxied`."""
        return list(self._proxied.values())

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Fetch the jars where they are missing, format the data folder where it is new, and start.

        Raises:
            BrokerError: no Java, no Maven, or it does not come up.
        """
        java, jars = find_java(), fetch_jars(self._cache)
        if self._data is None:
            self._data = Path(tempfile.mkdtemp(prefix="millstream-kafka-"))
        self._data.mkdir(parents=True, exist_ok=True)
        # New at every start; it is known to this process alone.
        controller_port = free_port(self._host)
        properties = self._data / "server.properties"
        properties.write_text(self._properties(controller_port))
        classpath = f"{jars}/*"
        if not (self._data / "log" / "meta.properties").exists():
            _format(java, classpath=classpath, properties=properties)
        self._process = ServerProcess(
            name=self.name,
            command=[java, _HEAP, "-cp", classpath, "kafka.Kafka", str(properties.resolve())],
            host=self._host,
            port=self._port,
            folder=self._data.resolve(),
        )
        try:
            self._process.start(timeout_s=60)
        except BrokerError:
            self._process = None
            raise

    def stop(self) -> None:
        if self._process:
            self._process.stop(timeout_s=15)
        self._process = None
        if self._given_data is None and self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def wait(self, timeout_s: float) -> bool:
        """True when it has ended by itself within `timeout_s`."""
        return self._process is None or self._process.wait(timeout_s)

    def _properties(self, controller_port: int) -> str:
        assert self._data is not None
        names = {port: f"PROXIED{number}" for number, port in enumerate(self._proxied)}
        bound = {"PLAINTEXT": self._port, **{names[port]: own for port, own in self._proxied.items()}}
        advertised = {"PLAINTEXT": self._port, **{name: port for port, name in names.items()}}
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self._host}:{controller_port}",
            "listeners": _joined({**bound, "CONTROLLER": controller_port}, f"://{self._host}:"),
            "advertised.listeners": _joined(advertised, f"://{self._host}:"),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": _joined(
                dict.fromkeys([*bound, "CONTROLLER"], "PLAINTEXT"), ":"
            ),
            "log.dirs": (self._data / "log").resolve(),
            # A missing topic shall be an error, as it is on most clusters, and not a topic of other settings.
            "auto.create.topics.enable": "false",
            # One node cannot hold a second copy.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # The default of 50 each is for clusters, and slows the first group down.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            # The default adds 3 s to the first worker of a group.
            "group.initial.rebalance.delay.ms": 0,
            # After a kill the controller keeps the broker out until its old session ends: 9 s by default.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # 8 and 3 by default, for a machine of its own: on a shared core they get into each other's way.
            "num.io.threads": 2,
            "num.network.threads": 1,
            # 128 MiB by default, out of a heap of 512.
            "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def _joined(values: Mapping[str, object], between: str) -> str:
    return ",".join(f"{key}{between}{value}" for key, value in values.items())


def _format(java: str, *, classpath: str, properties: Path) -> None:
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "m")
    command = [java, "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool", "format"]
    command += ["--cluster-id", cluster_id, "--config", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise BrokerError(f"Apache Kafka could not format {properties.parent}: {words}")

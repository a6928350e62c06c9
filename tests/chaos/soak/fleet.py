"""The workers of a soak, each behind its own proxy, and whoever starts them again when they end."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from stream_app.brokers import ApacheKafka
from stream_app.brokers.ports import free_port
from tests.chaos.proxy import Proxy
from tests.worker_process import WorkerProcess

_LOOK_EVERY_S = 0.2


class Fleet:
    """Workers that are kept running, as a supervisor would keep them, and a guest that comes and goes."""

    def __init__(
        self,
        *,
        count: int,
        app_id: str,
        folder: Path,
        settings: Mapping[str, object],
        say: Callable[[str], None],
    ) -> None:
        ports = [free_port() for _ in range(count + 1)]
        self.broker = ApacheKafka(proxied=ports)
        self._say = say
        self.proxies = [
            Proxy(port=port, target=target)
            for port, target in zip(ports, self.broker.proxied_targets, strict=True)
        ]
        *self.workers, self.guest = (
            WorkerProcess(
                bootstrap_servers=f"127.0.0.1:{port}",
                app_id=app_id,
                folder=folder,
                name=f"worker-{number}",
                settings=settings,
            )
            for number, port in enumerate(ports)
        )
        self._left_alone: set[WorkerProcess] = set()
        self._keeper: asyncio.Task[None] | None = None
        self.ended_by_themselves: Counter[str] = Counter()

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)
        for proxy in self.proxies:
            await proxy.start()
        for worker in self.workers:
            worker.start()
        self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        for worker in (*self.workers, self.guest):
            worker.clean_up()
        for proxy in self.proxies:
            await proxy.stop()
        await asyncio.to_thread(self.broker.stop)

    def leave_alone(self, worker: WorkerProcess) -> None:
        """Do not start it again: a fault is at work on it."""
        self._left_alone.add(worker)

    def look_after(self, worker: WorkerProcess) -> None:
        """Start it if it does not run, and keep it running."""
        if not worker.is_running:
            worker.start()
        self._left_alone.discard(worker)

    async def _keep_running(self) -> None:
        while True:
            for worker in self.workers:
                if worker not in self._left_alone and not worker.is_running:
                    last = (worker.log.splitlines() or ["without a word"])[-1][:200]
                    self.ended_by_themselves[last.split(" (")[0][:80]] += 1
                    self._say(f"{worker.disk.name} has ended by itself: {last}")
                    worker.start()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def all_ready(self, *, limit_s: float = 180) -> None:
        """Return when every worker serves; a worker that ends meanwhile is started again."""
        deadline = time.monotonic() + limit_s
        for worker in self.workers:
            while True:
                try:
                    await worker.ready(limit_s=max(deadline - time.monotonic(), 1))
                    break
                except AssertionError:
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(_LOOK_EVERY_S)


class SmallDisk:
    """A tmpfs under a worker's state folder that can be filled; only root can mount one."""

    def __init__(self, folder: Path, *, mebibytes: int = 96) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
        self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        with self._filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                pass

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self._folder)], capture_output=True, check=False)

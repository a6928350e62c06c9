"""What happens to the workers, their disks, the network, the models and the broker."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.announcing import announce
from tests.chaos.soak.fleet import Fleet, SmallDisk
from tests.chaos.test_bad_bundles import DAMAGE, ITEMS
from tests.tiny_bundle import make_tiny_bundle
from tests.worker_process import WorkerProcess

SESSION_S = 6


class Faults:
    """One fault after the other, chosen by `chance`; each leaves things as they were."""

    def __init__(
        self,
        fleet: Fleet,
        chance: random.Random,
        *,
        folder: Path,
        disk: SmallDisk,
        say: Callable[[str], None],
    ) -> None:
        self._fleet = fleet
        self._chance = chance
        self._folder = folder
        self._disk = disk
        self._say = say
        self._models = 0
        self.done: Counter[str] = Counter()
        self.kills = 0
        self._kinds: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "kill": (6, self._kill),
            "kill and wipe": (3, self._kill_and_wipe),
            "kill twice": (3, self._kill_twice),
            "leave and join": (2, self._leave_and_join),
            "rebalance burst": (1, self._rebalance_burst),
            "all leave at once": (0.5, self._all_leave),
            "freeze past the session": (1, self._freeze),
            "broker killed": (0.7, self._broker_killed),
            "broker frozen": (0.7, self._broker_frozen),
            "network cut": (1.5, self._network_cut),
            "connections dropped": (1, self._dropped),
            "network delayed": (1, self._network_delayed),
            "good model": (1, self._good_model),
            "bad model": (1, self._bad_model),
        }
        if disk.mounted:
            self._kinds["disk full"] = (0.7, self._disk_full)

    async def one(self) -> None:
        """Let one fault happen, and pass."""
        kinds = list(self._kinds)
        (kind,) = self._chance.choices(kinds, weights=[self._kinds[kind][0] for kind in kinds])
        self._say(kind)
        await self._kinds[kind][1]()
        self.done[kind] += 1

    def _worker(self) -> WorkerProcess:
        return self._chance.choice(self._fleet.workers)

    async def _kill(self, *, worker: WorkerProcess | None = None, wipe: bool = False) -> None:
        worker = worker or self._worker()
        self._fleet.leave_alone(worker)
        if worker.is_running:
            worker.kill()
            self.kills += 1
        if wipe:
            worker.wipe_disk()
        await asyncio.sleep(self._chance.choice((0, 0, 1, SESSION_S + 1)))
        self._fleet.look_after(worker)

    async def _kill_and_wipe(self) -> None:
        await self._kill(wipe=True)

    async def _kill_twice(self) -> None:
        worker = self._worker()
        await self._kill(worker=worker)
        await asyncio.sleep(self._chance.uniform(0, 5))
        await self._kill(worker=worker, wipe=self._chance.random() < 0.3)

    async def _leave_and_join(self) -> None:
        worker = self._worker()
        self._fleet.leave_alone(worker)
        if worker.is_running:
            worker.send(signal.SIGTERM)
            await worker.ended()
        await asyncio.sleep(self._chance.uniform(0, 3))
        self._fleet.look_after(worker)

    async def _rebalance_burst(self) -> None:
        """A guest joins and goes, and a worker leaves and joins, all within about five seconds."""
        guest, worker = self._fleet.guest, self._worker()
        self._fleet.leave_alone(worker)
        guest.start()
        await asyncio.sleep(self._chance.uniform(1.5, 3))  # it takes so long to join
        if worker.is_running:
            worker.send(signal.SIGTERM)
        await asyncio.sleep(self._chance.uniform(0, 1))
        if guest.is_running and self._chance.random() < 0.5:
            guest.kill()
            self.kills += 1
        elif guest.is_running:
            guest.send(signal.SIGTERM)
        await worker.ended()
        self._fleet.look_after(worker)
        await guest.ended()

    async def _all_leave(self) -> None:
        for worker in self._fleet.workers:
            self._fleet.leave_alone(worker)
            if worker.is_running:
                worker.send(signal.SIGTERM)
        for worker in self._fleet.workers:
            await worker.ended()
            self._fleet.look_after(worker)

    async def _freeze(self) -> None:
        worker = self._worker()
        self._fleet.leave_alone(worker)
        if worker.is_running:
            worker.freeze()
            await asyncio.sleep(self._chance.uniform(SESSION_S - 1, SESSION_S + 6))
            worker.thaw()
        self._fleet.look_after(worker)

    async def _broker_killed(self) -> None:
        broker = self._fleet.broker
        broker.kill()
        await asyncio.sleep(self._chance.choice((0, 3, 10)))
        await asyncio.to_thread(broker.start)

    async def _broker_frozen(self) -> None:
        pid = self._fleet.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(0.5, SESSION_S + 4))
        os.kill(pid, signal.SIGCONT)

    async def _network_cut(self) -> None:
        proxy = self._chance.choice(self._fleet.proxies)
        proxy.cut()
        await asyncio.sleep(self._chance.uniform(0.5, SESSION_S + 6))
        proxy.mend()

    async def _dropped(self) -> None:
        self._chance.choice(self._fleet.proxies).drop()

    async def _network_delayed(self) -> None:
        proxy = self._chance.choice(self._fleet.proxies)
        proxy.delay_s = self._chance.choice((0.01, 0.05, 0.2))
        await asyncio.sleep(self._chance.uniform(2, 6))
        proxy.delay_s = 0.0

    async def _good_model(self) -> None:
        await self._announce("good", None)

    async def _bad_model(self) -> None:
        await self._announce("bad", self._chance.choice(list(DAMAGE.values()))[0])

    async def _announce(self, kind: str, damage: object) -> None:
        self._models += 1
        version = f"{kind}-{self._models}"
        bundle = make_tiny_bundle(self._folder / "made" / version, ITEMS, seed=self._models, version=version)
        # Not through a proxy: whoever announces is elsewhere.
        worker = self._fleet.workers[0]
        await announce(
            worker, bundle, registry=self._folder / "registry", damage=damage,
            bootstrap_servers=self._fleet.broker.bootstrap_servers,
        )  # fmt: skip

    async def _disk_full(self) -> None:
        self._disk.fill()
        worker = self._fleet.workers[0]
        if self._chance.random() < 0.7 and worker.is_running:
            worker.send(signal.SIGTERM)  # it flushes, and opens what there is, on a full disk
        await asyncio.sleep(self._chance.uniform(2, 8))
        self._disk.free()

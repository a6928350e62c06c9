"""The events of a soak: a hot user, busy ones, rare ones; wrong clocks; some that are bad for certain."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.chaos.fuzzed_events import COMMON
from tests.event_stream import TYPES, Pair

HOT = "hot"
HISTORY_LIMIT, HISTORY_DAYS = 30, 30
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_TICK_S = 0.05


class Load:
    """Sends about `per_second` events, in bursts, until it is told to stop; remembers the bad ones."""

    def __init__(self, *, bootstrap_servers: str, topic: str, seed: int, per_second: float) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._chance = random.Random(seed)
        self._per_second = per_second
        self._stopping = asyncio.Event()
        self.bad: set[Pair] = set()
        self.sent = 0
        self.refused = 0

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        # What a killed broker has taken and not acknowledged is sent again: the topic is the truth.
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, request_timeout_ms=60_000)
        await producer.start()
        waiting: list[Any] = []
        try:
            while not self._stopping.is_set():
                burst = self._chance.choice((0, 1, 1, 1, 2)) * self._per_second * _TICK_S
                for _ in range(round(burst)):
                    key, value = self._next()
                    waiting.append(await producer.send(self._topic, value, key=key))
                    self.sent += 1
                if len(waiting) > 1000:
                    waiting = await self._settle(waiting)
                await asyncio.sleep(_TICK_S)
            await self._settle(waiting)
        finally:
            await producer.stop()

    async def _settle(self, waiting: list[Any]) -> list[Any]:
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(outcome, KafkaError):
                self.refused += 1
            elif isinstance(outcome, BaseException):
                raise outcome
        return []

    def _next(self) -> Pair:
        if self._chance.random() < 0.02:
            pair = self._chance.choice(COMMON)(self._chance).pair
            self.bad.add(pair)
            return pair
        event = {"user_id": self._user(), "item_id": self._item(), "type": self._chance.choice(TYPES)}
        event |= {"event_id": f"e{self.sent}", **self._moment()}
        if self._chance.random() < 0.001:
            event = {"user_id": event["user_id"], "type": "forget"}
        return event["user_id"].encode(), json.dumps(event).encode()

    def _user(self) -> str:
        kind = self._chance.random()
        if kind < 0.3:
            return HOT
        if kind < 0.9:
            return f"busy-{self._chance.randrange(300)}"
        return f"rare-{self._chance.randrange(100_000)}"  # nobody comes again to heal what is wrong

    def _item(self) -> str:
        return f"item-{int(self._chance.expovariate(4) * 400) % 400}"

    def _moment(self) -> dict[str, int]:
        now_ms, kind = time.time_ns() // 1_000_000, self._chance.random()
        if kind < 0.1:
            return {}
        if kind < 0.15:
            return {"timestamp": now_ms - self._chance.randrange(60 * _DAY_MS)}
        if kind < 0.17:
            return {"timestamp": now_ms + self._chance.randrange(23 * _HOUR_MS)}
        return {"timestamp": now_ms - self._chance.randrange(5000)}

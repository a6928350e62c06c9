"""The thread that fetches: aiokafka's consumer with a short wait, true high watermarks, partitions in turn.

Of the holes of ARCHITECTURE.md it closes hole 7: with a limit of records, aiokafka empties the partition that
it buffered first before it hands out anything of the next.
"""

from __future__ import annotations

import time
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream_app.streaming.lane import tansu

FETCH_MAX_WAIT_MS = 100
"""Faust hard-codes 1,500; high-watermark look-ups queue behind a waiting fetch, 0.3 to 1.25 s a rebalance."""


class LaneConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        on_tansu = getattr(self.app, "broker_is_tansu", False)
        consumer._fetch_max_wait_ms = tansu.FETCH_MAX_WAIT_MS if on_tansu else FETCH_MAX_WAIT_MS
        if not on_tansu:  # which has no transactions
            consumer._isolation_level = "read_committed"
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        self._note_heartbeats(self._ensure_consumer()._coordinator)

    def _note_heartbeats(self, coordinator: Any) -> None:
        """Tell the fence of every heartbeat that the broker answered well; aiokafka keeps it to itself."""
        fence = getattr(self.app, "fence", None)
        heartbeat = getattr(coordinator, "_do_heartbeat", None)
        if fence is None or heartbeat is None:  # without a group there is nothing to be expelled from
            return

        async def noted() -> bool:
            asked = time.monotonic()
            succeeded: bool = await heartbeat()
            if succeeded:
                fence.heard(asked)
            return succeeded

        coordinator._do_heartbeat = noted

    async def _highwaters(self, partitions: Any) -> Any:
        ends = await super()._highwaters(partitions)
        if getattr(self.app, "broker_is_tansu", False):
            return await tansu.true_end_offsets(ends, bootstrap_servers=tansu_servers(self.transport))
        return ends

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        found = await super()._fetch_records(consumer, *args, **kwargs)
        # What is buffered is handed out in the order of this dict.
        buffered = consumer._fetcher._records
        for tp in found:
            if tp in buffered:
                buffered[tp] = buffered.pop(tp)
        return found

    async def positions(self, partitions: frozenset[TP]) -> dict[TP, int]:
        """Which offset would be read next of each partition, where that is known."""
        positions: dict[TP, int] = await self.call_thread(self._positions, partitions)
        return positions

    async def _positions(self, partitions: frozenset[TP]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        state_of = consumer._subscription.subscription.assignment.state_value
        states = {tp: state_of(tp) for tp in self._assigned(partitions)}
        return {
            TP(tp.topic, tp.partition): state.position
            for tp, state in states.items()
            if state is not None and state.has_valid_position
        }

    async def rewind(self, partitions: frozenset[TP]) -> None:
        """Go back to the committed offsets, and to the beginning where nothing was ever committed.

        aiokafka's own `seek_to_committed` leaves a partition without a commit where it is.
        """
        await self.call_thread(self._rewind, partitions)

    async def begin_anew(self, partitions: frozenset[TP]) -> None:
        """Go to the beginning of partitions, whatever is committed."""
        await self.call_thread(self._begin_anew, partitions)

    async def _begin_anew(self, partitions: frozenset[TP]) -> None:
        if assigned := self._assigned(partitions):
            await self._ensure_consumer().seek_to_beginning(*assigned)

    def _assigned(self, partitions: frozenset[TP]) -> list[Any]:
        """Those that are assigned, in aiokafka's own type."""
        consumer = self._ensure_consumer()
        return [tp for tp in consumer.assignment() if (tp.topic, tp.partition) in partitions]

    async def _rewind(self, partitions: frozenset[TP]) -> None:
        consumer = self._ensure_consumer()
        assigned = self._assigned(partitions)
        if not assigned:
            return
        committed = await consumer.seek_to_committed(*assigned)
        fresh = [tp for tp, offset in committed.items() if not offset or offset <= 0]
        if fresh:
            await consumer.seek_to_beginning(*fresh)


def tansu_servers(transport: Any) -> list[str]:
    """The transport's brokers as aiokafka takes them."""
    return driver.server_list(transport.url, transport.default_port)

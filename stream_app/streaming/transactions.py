"""Exactly-once: a chunk is one Kafka transaction of changelogs, lists, outcomes, dead letters and offsets.

Each partition of the source has a producer of its own, whose transactional id is the partition's. Whoever
takes the partition over initialises that id, which ends the open transaction of an earlier owner and fences
it: what a frozen worker sends when it wakes is refused by the broker, and not only mended afterwards. (Apache
Kafka, KIP-98; Faust's own `exactly_once` has open bugs and is not used.)

A chunk costs some 20 ms, whatever its size: aiokafka pauses before a transaction that begins while the broker
still closes the last one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from stream_app.streaming.delivery import Acknowledgements, Outbox
from stream_app.streaming.fencing import Fence, Superseded
from stream_app.streaming.lane.producer import BatchSender

log = logging.getLogger(__name__)

_FENCED = (ProducerFenced, InvalidProducerEpoch)
_ABORT_LIMIT_S = 5.0


class ExactlyOnce:
    """Implements `delivery.Delivery`.

    `new_client` makes a producer for a transactional id; `committed` is told of every offset that became
    visible. `group` is the consumer group whose offsets go into the transactions.
    """

    atomic = True

    def __init__(
        self,
        *,
        new_client: Callable[[str], AIOKafkaProducer],
        group: str,
        fence: Fence,
        committed: Callable[[TP, int], None],
    ) -> None:
        self._new_client = new_client
        self._group = group
        self._fence = fence
        self._committed = committed
        self._clients: dict[TP, AIOKafkaProducer] = {}

    async def take_over(self, partitions: Collection[TP]) -> None:
        """Fence off whoever wrote for the partitions before. Returns once their transactions have ended."""
        await self.close()
        clients = {tp: self._new_client(f"{self._group}-{tp.topic}-{tp.partition}") for tp in partitions}
        self._clients = clients
        await asyncio.gather(*(client.start() for client in clients.values()))

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.stop() for client in clients.values()), return_exceptions=True)

    @asynccontextmanager
    async def chunk(self, tp: TP, *, generation: int) -> AsyncIterator[Outbox]:
        """A transaction, aborted where it is left unsettled. Raises Superseded where the broker fenced us."""
        client = self._clients.get(tp)
        if client is None:
            raise Superseded("the partition is not ours any more")

        async def settle(sent: Acknowledgements, next_offset: int) -> bool:
            offsets = {TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(next_offset, "")}
            await asyncio.gather(*sent, client.send_offsets_to_transaction(offsets, self._group))
            await client.commit_transaction()
            self._committed(tp, next_offset)
            return self._fence.is_current(generation)

        try:
            await client.begin_transaction()
            yield Outbox(BatchSender(lambda: client), settle)
        except BaseException as error:
            await self._abort(client)
            if isinstance(error, _FENCED):
                # The group tells us soon, unless somebody else uses our transactional ids.
                await self._fence.until_passed(generation)
                raise Superseded("another worker writes for the partition") from error
            raise

    async def _abort(self, client: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(_ABORT_LIMIT_S):
                await client.abort_transaction()
        except (KafkaError, TimeoutError, AssertionError) as error:
            # Whoever takes the partition over aborts it, or the broker when its time is over.
            log.info("a transaction was left open: %r", error)
        ended = client._txn_manager.wait_for_transaction_end()
        if ended is not None and ended.done():
            ended.exception()  # asyncio would report it as one that nobody has seen

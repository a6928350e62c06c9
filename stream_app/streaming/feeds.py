"""Topics that every worker holds whole: `items` and `models`, read without a group, then followed.

Faust's tables would split them among workers, and its groups would rebalance for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from stream_app.streaming.topic_admin import TopicProblem
from stream_app.streaming.whole_topic import open_reader, read_whole

logger = logging.getLogger(__name__)
_POLL_MS = 200
_RETRY_S = 0.5


class FeedRecord(NamedTuple):
    """One record of a followed topic; a value of None retires the key."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int
    timestamp_ms: int


class TopicFeed:
    """Reads one compacted topic: `load` it whole, then `follow` it from there.

    A broker that goes away and comes back is waited for; positions are kept here, so nothing is skipped and
    nothing is read twice.
    """

    def __init__(self, *, kafka: Mapping[str, Any], topic: str) -> None:
        self._kafka = dict(kafka)
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    async def load(self, *, limit_s: float = 300.0) -> list[FeedRecord]:
        """The newest record of every key up to now, in the order in which they were written.

        A retired key has the value None, until the broker compacts it away. Records without a key are
        skipped.

        Raises:
            TopicProblem: no such topic, or it could not be read within `limit_s`.
        """
        started = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(limit_s - (time.monotonic() - started)):
                    return await self._load()
            except TimeoutError:
                reason = "the broker did not answer in time"
            except (KafkaError, OSError) as error:
                reason = str(error) or type(error).__name__
                logger.warning("reading topic %s again in %s s: %s", self._topic, _RETRY_S, reason)
            await self.stop()
            if time.monotonic() - started + _RETRY_S >= limit_s:
                fact = f"topic {self._topic} could not be read within {limit_s:.0f} s ({reason})"
                raise TopicProblem(f"{fact}; is the broker up?")
            await asyncio.sleep(_RETRY_S)

    async def follow(self) -> AsyncIterator[FeedRecord]:
        """Every record after those that `load` read, as they come, for ever. Cancel it to end."""
        if self._consumer is None:
            raise RuntimeError("load the feed before following it")
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            except KafkaError as error:
                logger.warning("topic %s: %s; trying again", self._topic, error)
                await asyncio.sleep(_RETRY_S)
                continue
            for records in batches.values():
                for record in records:
                    if record.key is not None:
                        yield _feed_record(record)

    async def stop(self) -> None:
        """Close the connection. Harmless when there is none."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _load(self) -> list[FeedRecord]:
        self._consumer = consumer = open_reader(self._kafka)
        await consumer.start()
        newest: dict[bytes, FeedRecord] = {}
        async for records in read_whole(consumer, self._topic, kafka=self._kafka):
            for record in records:
                if record.key is None:
                    continue
                newest.pop(record.key, None)  # so that the order is that of the newest records
                newest[record.key] = _feed_record(record)
        return list(newest.values())


def _feed_record(record: Any) -> FeedRecord:
    return FeedRecord(record.key, record.value, record.partition, record.offset, record.timestamp)

"""The rival: a loop over aiokafka and rocksdict as a good engineer writes it by hand, without any framework.

It does the work of the worker without a model, by the domain's functions, in chunks of one partition of at
most 2,048 events, and promises as much: the changelogs are written, and an offset is committed (every second)
only after the broker has acknowledged all that came of what lies before it. What the worker's measurements
showed is granted to it: uvloop, RocksDB's log off, whole batches to the producer, the collector calmed.

Run as `python -m stream_app.bench.bare_loop`, with the worker's settings in the environment. It is a rival
and no product: it begins with an empty state, keeps its partitions, has no metrics and no model, fences
nobody, and a replayed event may be judged as seen.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rocksdict import Rdict

from models.bundle.signature import EVENT_TYPES
from stream_app.bench.bare_store import get_many, open_store, put_many
from stream_app.domain.decoding import Interaction, Rejected, decode
from stream_app.domain.history import extend, length, position
from stream_app.domain.lists import GivenList, read, remember, write
from stream_app.domain.messages import ModelRef, Recommendation, Trigger, encode
from stream_app.domain.outcomes import judge_together
from stream_app.domain.ranking import rank_trending
from stream_app.domain.trending import PartitionClock, Trending
from stream_app.settings import Settings
from stream_app.settings_sources import load_settings
from stream_app.streaming.dead_letters import dead_letter
from stream_app.streaming.topics import TopicNames

CHUNK_RECORDS = 2048
COMMIT_EVERY_S = 1.0
TRENDING = ModelRef("trending", "fallback")

Pairs = Iterable[tuple[bytes | None, bytes | None]]


class BareLoop:
    """The loop and its state."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = TopicNames(app_id=settings.app_id, prefix=settings.topic_prefix)
        self._positive = frozenset(EVENT_TYPES.index(name) for name in settings.positive_types)
        self._max_age_ms = timedelta(days=settings.history_days) // timedelta(milliseconds=1)
        self._extend = functools.partial(
            extend,
            epoch=settings.source_epoch,
            limit=settings.history_limit,
            max_age_ms=self._max_age_ms,
        )
        half_life = timedelta(days=settings.trending_half_life_days)
        self._trending = Trending(half_life_ms=half_life // timedelta(milliseconds=1))
        self._clocks = {number: PartitionClock() for number in range(settings.partitions)}
        self._histories = self._open("history")
        self._lists = self._open("lists")
        self._acknowledgements: list[asyncio.Future[Any]] = []
        self._handled: dict[TopicPartition, int] = {}
        self._committed: dict[int, int] = {}

    def _open(self, name: str) -> list[Rdict]:
        folder = self._settings.state_dir / name
        return [open_store(folder / str(number)) for number in range(self._settings.partitions)]

    async def run(self) -> None:
        """Consume and answer until the process ends."""
        servers = self._settings.kafka_bootstrap_servers
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=900_000,
            max_request_size=17 << 20,
        )
        consumer = AIOKafkaConsumer(
            self._names.events,
            bootstrap_servers=servers,
            group_id=self._settings.app_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=4 << 20,
            max_poll_records=CHUNK_RECORDS,
        )
        async with self._producer, consumer:
            committed_at = time.monotonic()
            while True:
                for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                    await self._handle(tp.partition, records)
                    self._handled[tp] = records[-1].offset + 1
                if self._handled and time.monotonic() - committed_at >= COMMIT_EVERY_S:
                    await self._commit(consumer)
                    committed_at = time.monotonic()

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        await asyncio.gather(*self._acknowledgements)
        self._acknowledgements.clear()
        await consumer.commit(self._handled)
        self._committed |= {tp.partition: offset for tp, offset in self._handled.items()}
        self._handled.clear()

    async def _handle(self, partition: int, records: Sequence[Any]) -> None:
        events: list[Interaction] = []
        for record in records:
            event = decode(
                record.key, record.value, offset=record.offset, record_timestamp_ms=record.timestamp
            )
            if isinstance(event, Rejected):
                letter = dead_letter(record, event)._asdict()
                self._acknowledgements.append(await self._producer.send(self._names.dead_letters, **letter))
            else:
                events.append(event)
        if not events:
            return
        by_user: dict[bytes, list[Interaction]] = {}
        for event in events:
            by_user.setdefault(event.user, []).append(event)
        users = list(by_user)
        before = get_many(self._histories[partition], users)
        after = [self._extend(record, by_user[user]) for user, record in zip(users, before, strict=True)]
        self._trending.count(events, self._clocks[partition], self._positive.__contains__)
        recommendations, outcomes, lists = self._answer(partition, by_user, before, after)
        histories = dict(zip(users, after, strict=True))
        put_many(self._histories[partition], histories)
        put_many(self._lists[partition], lists)
        await self._send(self._names.history_changelog, partition, histories.items())
        await self._send(self._names.lists_changelog, partition, lists.items())
        await self._send(self._names.recommendations, partition, recommendations)
        await self._send(self._names.outcomes, partition, outcomes)

    def _answer(
        self,
        partition: int,
        by_user: Mapping[bytes, list[Interaction]],
        before: Sequence[bytes | None],
        after: Sequence[bytes | None],
    ) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], dict[bytes, bytes | None]]:
        topic, k, epoch = self._names.events, self._settings.k, self._settings.source_epoch
        now_ms = time.time_ns() // 1_000_000
        committed = epoch, self._committed.get(partition, 0)
        candidates = self._trending.candidates(_any_item)
        rankings = rank_trending(candidates, after, k=k)
        stored = get_many(self._lists[partition], list(by_user))
        recommendations, outcomes, lists = [], [], dict[bytes, bytes | None]()
        for (user, events), old, new, given, ranking in zip(
            by_user.items(), before, after, map(read, stored), rankings, strict=True
        ):
            results = judge_together(
                events,
                given,
                before=old,
                applied=-1,
                limit=self._settings.history_limit,
                max_age_ms=self._max_age_ms,
                topic=topic,
                partition=partition,
                epoch=epoch,
                positive=self._positive,
                now_ms=now_ms,
            )
            outcomes += [(user, encode(result)) for result in results if not isinstance(result, str)]
            if new is None:  # forgotten
                lists[user] = None
                continue
            at = position(new)
            kept = remember(given, GivenList(*at, now_ms, k, TRENDING, ranking.hashes), committed=committed)
            lists[user] = write(kept)
            recommendation = Recommendation(
                user_id=user.decode(),
                items=ranking.items,
                model=TRENDING,
                trigger=Trigger(
                    tuple([event.event_id for event in events if event.event_id]), topic, partition, at[1]
                ),
                history_length=length(new),
                event_timestamp=events[-1].timestamp_ms,
                emitted_at=now_ms,
            )
            recommendations.append((user, encode(recommendation)))
        return recommendations, outcomes, lists

    async def _send(self, topic: str, partition: int, records: Pairs) -> None:
        batch = self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                await self._send_batch(batch, topic, partition)
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            await self._send_batch(batch, topic, partition)

    async def _send_batch(self, batch: Any, topic: str, partition: int) -> None:
        self._acknowledgements.append(await self._producer.send_batch(batch, topic, partition=partition))


def _any_item(item_hash: int) -> bool:
    return True


if __name__ == "__main__":
    loop = BareLoop(load_settings())
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    uvloop.run(loop.run())

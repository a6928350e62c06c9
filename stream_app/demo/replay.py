"""Puts the events into Kafka: the history as fast as it goes, the rest at a pace that follows the stage."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from stream_app.demo.pacing import events_per_second
from stream_app.demo.progress import Progress
from stream_app.demo.rivals import Rivals
from stream_app.demo.sample_log import LoggedEvent
from stream_app.demo.surroundings import PARTITIONS, POSITIVE_TYPES, TOPICS
from stream_app.streaming.sending import Outgoing, send_records

_TICK_S = 0.02
_BURST_S = 0.25
"""What was missed while the loop was busy is made good for no longer than that."""


def offsets_after(events: Sequence[LoggedEvent]) -> dict[int, int]:
    """Where each partition of a new topic ends once these were sent."""
    choose, all_of_them = DefaultPartitioner(), list(range(PARTITIONS))
    by_user = Counter(event.user_id for event in events)
    ends = dict.fromkeys(all_of_them, 0)
    for user_id, count in by_user.items():
        ends[choose(user_id.encode(), all_of_them, all_of_them)] += count
    return ends


async def send_history(
    kafka: Mapping[str, Any], events: Sequence[LoggedEvent], *, rivals: Rivals, progress: Progress
) -> None:
    """Send all of them at once; the rivals learn them as well."""

    def outgoing() -> Iterator[Outgoing]:
        for event in events:
            _learn(rivals, event)
            yield Outgoing(event.user_id.encode(), event.message(), event.timestamp_ms)

    def count(sent: int) -> None:
        progress.history_sent = sent

    await send_records(kafka, TOPICS.events, outgoing(), on_progress=count)


async def send_live(
    kafka: Mapping[str, Any],
    events: Sequence[LoggedEvent],
    *,
    rivals: Rivals,
    progress: Progress,
    at_most: float,
) -> None:
    """Send them one by one, each with an event_id; the rivals are asked before they learn it."""
    producer = AIOKafkaProducer(**kafka, acks="all", enable_idempotence=False)
    try:
        await producer.start()
        credit, last_s = 0.0, time.monotonic()
        for number, event in enumerate(events):
            while credit < 1:
                await asyncio.sleep(_TICK_S)
                now_s = time.monotonic()
                rate = events_per_second(progress.stage, sent=number, total=len(events), at_most=at_most)
                credit += rate * min(now_s - last_s, _BURST_S)
                last_s = now_s
            credit -= 1
            chances = rivals.chances(event.user_id, event.item, timestamp_ms=event.timestamp_ms)
            _learn(rivals, event)
            event_id = f"live-{number}"
            progress.latencies.sent(event_id, at_s=time.monotonic())
            acknowledged = await producer.send(
                TOPICS.events,
                key=event.user_id.encode(),
                value=event.message(event_id),
                timestamp_ms=event.timestamp_ms,
            )
            acknowledged.add_done_callback(
                lambda done, chances=chances: progress.tally.rivals_at(
                    done.result().partition, done.result().offset, chances
                )
            )
            progress.events += 1
            progress.watched(event.user_id, progress.title(event.item_id))
        await producer.flush()
    finally:
        await producer.stop()


def _learn(rivals: Rivals, event: LoggedEvent) -> None:
    rivals.learn(
        event.user_id, event.item, timestamp_ms=event.timestamp_ms, positive=event.type in POSITIVE_TYPES
    )

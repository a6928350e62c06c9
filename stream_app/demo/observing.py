"""Reads what the worker writes, and books it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.demo.progress import Progress, Swap
from stream_app.demo.surroundings import PARTITIONS, TOPICS
from stream_app.domain.messages import Outcome, Recommendation
from stream_app.streaming.lane import tansu

_POLL_MS = 100
_TITLES = 3
_recommendation = msgspec.json.Decoder(Recommendation).decode
_outcome = msgspec.json.Decoder(Outcome).decode


class Observer:
    """Follows recommendations, outcomes and dead letters from their beginning."""

    def __init__(self, *, progress: Progress) -> None:
        self._progress = progress
        self._versions: set[str] = set()
        self.last_record_s = time.monotonic()

    async def run(self, kafka: Mapping[str, Any]) -> None:
        """For ever; the topics must exist."""
        book = {
            TOPICS.recommendations: self._book_recommendation,
            TOPICS.outcomes: self._book_outcome,
            TOPICS.dead_letters: self._book_dead_letter,
        }
        consumer = AIOKafkaConsumer(
            **kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # The default would add 125 ms to what is measured.
            fetch_max_wait_ms=tansu.FETCH_MAX_WAIT_MS,
        )
        try:
            await consumer.start()
            by_user = TOPICS.recommendations, TOPICS.outcomes
            read = [TopicPartition(topic, number) for topic in by_user for number in range(PARTITIONS)]
            consumer.assign([*read, TopicPartition(TOPICS.dead_letters, 0)])
            while True:
                for source, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                    self.last_record_s = time.monotonic()
                    for record in records:
                        book[source.topic](record.value)
        finally:
            await consumer.stop()

    def _book_recommendation(self, value: bytes) -> None:
        progress, now_s = self._progress, time.monotonic()
        found = _recommendation(value)
        if progress.first_recommendation_s is None:
            progress.first_recommendation_s = now_s - progress.began_s
        if found.trigger.event_ids:
            progress.recommendations += progress.latencies.answered(found.trigger.event_ids, at_s=now_s)
        else:
            progress.history_answered += 1
        by_model = found.model.role != "fallback"
        if by_model and found.model.version not in self._versions:
            self._versions.add(found.model.version)
            progress.swaps.append(Swap(version=found.model.version, at_s=now_s - progress.began_s))
            if progress.first_by_model_s is None:
                progress.first_by_model_s = now_s - progress.began_s
        if found.items and progress.wants_scene(found.user_id):
            progress.show(
                found.user_id,
                recommended=[item.item_id for item in found.items[:_TITLES]],
                because=[reason.item_id for reason in found.items[0].because[:_TITLES]],
            )

    def _book_outcome(self, value: bytes) -> None:
        self._progress.tally.outcome(_outcome(value))

    def _book_dead_letter(self, value: bytes) -> None:
        self._progress.dead_letters += 1

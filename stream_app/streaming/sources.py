"""The source's identity: checked when partitions were recovered, moved on with every chunk."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import TopicPartition

from stream_app.domain.source import Log, Source, difference, lost, read, source_at, write
from stream_app.streaming.whole_topic import end_offsets, open_reader

log = logging.getLogger(__name__)

_FETCH_MS, _FETCHES = 200, 25


class SourceChanged(Exception):
    """The topic is not the one that the state was made from."""


class Sources:
    """What is known of the source partitions that this worker owns.

    `epoch` is the least that a partition has; `accept_new` raises the epoch of a partition whose log is
    another one, instead of refusing it, when the partition is looked at for the first time.
    """

    def __init__(self, *, kafka: Mapping[str, Any], topic: str, epoch: int, accept_new: bool) -> None:
        self._kafka = kafka
        self._topic = topic
        self._epoch = epoch
        self._accept_new = accept_new
        self._known: dict[int, Source] = {}
        self._looked_at: set[int] = set()

    def epoch(self, partition: int) -> int:
        known = self._known.get(partition)
        return self._epoch if known is None else known.epoch

    def advance(self, partition: int, record: Any) -> bytes | None:
        """The identity to store with a chunk whose last ConsumerRecord this is; None on a replay."""
        known = self._known.get(partition)
        if known is not None and record.offset <= known.offset:
            return None
        new = source_at(self.epoch(partition), record.offset, record.timestamp, record.key, record.value)
        self._known[partition] = new
        return write(new)

    def forget(self) -> None:
        """All partitions were revoked; a check that goes on meanwhile is of an ownership that is over."""
        self._known = {}

    async def check(self, stored: Mapping[int, bytes | None]) -> dict[int, bytes]:
        """Compare the logs with what is stored of them, by partition.

        Returns what to store of those that were accepted as new ones; they are to be read from the beginning.
        What retention took before it was read is logged.

        Raises SourceChanged, KafkaError.
        """
        applied = {partition: read(record) for partition, record in stored.items() if record is not None}
        ours = {partition: source for partition, source in applied.items() if source.epoch >= self._epoch}
        self._known = ours
        accepted: dict[int, bytes] = {}
        logs = await self._look(ours) if ours else {}
        for partition, found in logs.items():
            known = ours[partition]
            reason = difference(known, found)
            if reason is not None:
                self._accept_or_refuse(partition, reason)
                ours[partition] = new = Source(known.epoch + 1)
                accepted[partition] = write(new)
                log.warning(
                    "%s[%d] is a new source, of epoch %d: %s", self._topic, partition, new.epoch, reason
                )
            elif known.offset < 0:
                accepted[partition] = write(
                    known
                )  # accepted before, and ended before anything of it was read
            elif count := lost(known, found):
                log.warning(
                    "%s[%d]: %d records were deleted before they were read, by retention or by hand; "
                    "histories go on without them", self._topic, partition, count,
                )  # fmt: skip
        self._looked_at |= stored.keys()
        return accepted

    def _accept_or_refuse(self, partition: int, reason: str) -> None:
        if not self._accept_new or partition in self._looked_at:
            raise SourceChanged(
                f"{self._topic}[{partition}] is not the log that the stored histories were made from: "
                f"{reason}; if it was made anew or truncated, say so once (millstream worker "
                "--new-source-epoch), else "
                "restore it, or start under another MILLSTREAM_APP_ID"
            )

    async def _look(self, applied: Mapping[int, Source]) -> dict[int, Log]:
        consumer = open_reader(self._kafka)
        await consumer.start()
        try:
            places = {partition: TopicPartition(self._topic, partition) for partition in applied}
            begins = await consumer.beginning_offsets(list(places.values()))
            ends = await end_offsets(consumer, list(places.values()), kafka=self._kafka)
            consumer.assign(list(places.values()))  # and not before: what is asked would wait for a fetch
            logs = {partition: Log(begins[place], ends[place]) for partition, place in places.items()}
            held = [p for p, found in logs.items() if found.begin <= applied[p].offset < found.end]
            there = await self._read_at(consumer, {places[p]: applied[p] for p in held})
            return {p: found._replace(there=there.get(p)) for p, found in logs.items()}
        finally:
            await consumer.stop()

    async def _read_at(self, consumer: Any, applied: Mapping[TopicPartition, Source]) -> dict[int, Source]:
        there: dict[int, Source] = {}
        if others := consumer.assignment() - applied.keys():
            consumer.pause(*others)
        for place, source in applied.items():
            consumer.seek(place, source.offset)
        waiting: Collection[TopicPartition] = set(applied)
        for _ in range(_FETCHES if waiting else 0):
            for place, records in (await consumer.getmany(*waiting, timeout_ms=_FETCH_MS)).items():
                record, source = records[0], applied[place]
                waiting = {other for other in waiting if other != place}
                if record.offset == source.offset:
                    there[place.partition] = source_at(
                        source.epoch, record.offset, record.timestamp, record.key, record.value
                    )
            if not waiting:
                break
        return there

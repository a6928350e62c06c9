"""The order that makes a crash harmless, for every chunk of one partition.

1. decode; bad records become dead letters
2. group by user, one multi-get, extend (replays ignored), one RocksDB write batch
3. send one changelog record per touched user, also where the replay changed nothing: after a crash the local
   store may be ahead of the changelog
4. encode and score; then, in the chunk's turn: judge outcomes, rank, write `lists`; send lists,
   recommendations, outcomes, dead letters
5. await the broker's acknowledgement of every one of them; a failure ends the worker on purpose
6. acknowledge the source offsets, strictly in order; only they are committed (`partition_lane`)

A failure before 6 replays the chunk: the same histories, and lists for the same users under positions that
are the same or newer. With exactly-once delivery 3 to 6 are one transaction, and state is stored after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from faust.types import TP

from models.bundle.context import Context
from stream_app.domain.decoding import Interaction, Rejected, decode
from stream_app.domain.history import header
from stream_app.domain.source import SOURCE_KEY
from stream_app.domain.trending import PartitionClock, Trending
from stream_app.scoring.requests import Scored
from stream_app.streaming.answering import Answering, Answers
from stream_app.streaming.dead_letters import DeadLetter, dead_letter
from stream_app.streaming.delivery import Delivery
from stream_app.streaming.fencing import Fence
from stream_app.streaming.metrics import BadShare, Metrics
from stream_app.streaming.partition_lane import Turn
from stream_app.streaming.rewrites import Rewrites
from stream_app.streaming.sources import Sources
from stream_app.streaming.tables import Tables
from stream_app.streaming.topics import TopicNames
from stream_app.streaming.touches import Emission, Touch, Window, touches_of

_SEED_HISTORIES = 10_000
"""How many stored histories of a partition trending begins with: enough to know what is popular, in 0.1 s."""

Score = Callable[[Sequence[bytes], Sequence[int], Sequence[Context]], Awaitable[Scored | None]]


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk after step 2."""

    tp: TP
    begun: float
    epoch: int
    touches: Sequence[Touch]
    histories: dict[bytes, bytes | None]
    dead_letters: Sequence[DeadLetter]
    next_offset: int


class Pipeline:
    """Implements `partition_lane.Steps`."""

    def __init__(
        self,
        *,
        topics: TopicNames,
        tables: Tables,
        window: Window,
        emission: Emission,
        sources: Sources,
        delivery: Delivery,
        fence: Fence,
        rewrites: Rewrites,
        commit_soon: Callable[[], None],
        score: Score,
        answering: Answering,
        trending: Trending,
        popular_types: Collection[int],
        item_name: Callable[[int], str | None],
        metrics: Metrics,
        bad_share: BadShare,
    ) -> None:
        self._topics = topics
        self._tables = tables
        self._window = window
        self._emission = emission
        self._sources = sources
        self._delivery = delivery
        self._fence = fence
        self._rewrites = rewrites
        self._commit_soon = commit_soon
        self._score = score
        self._answering = answering
        self._trending = trending
        self._popular = frozenset(popular_types).__contains__
        self._item_name = item_name
        self._clocks: dict[int, PartitionClock] = {}
        self._metrics = metrics
        self._bad_share = bad_share

    def apply(self, tp: TP, records: Sequence[Any]) -> Work:
        """Steps 1 and 2."""
        begun = time.monotonic()
        # 1. decode
        events, dead_letters = self._decode(records)
        # 2. extend the histories
        by_user: dict[bytes, list[Interaction]] = {}
        for event in events:
            mine = by_user.get(event.user)
            if mine is None:
                by_user[event.user] = [event]
            else:
                mine.append(event)
        clock = self._clock(tp.partition, records[0].timestamp)
        epoch = self._sources.epoch(tp.partition)
        stored = self._tables.history.store.get_many(tp.partition, list(by_user)) if by_user else []
        touches: list[Touch] = []
        histories: dict[bytes, bytes | None] = {}
        for (user, mine), record in zip(by_user.items(), stored, strict=True):
            touches += touches_of(
                user, mine, record, epoch=epoch, window=self._window, emission=self._emission
            )
            histories[user] = touches[-1].after
        if identity := self._sources.advance(tp.partition, records[-1]):
            histories[SOURCE_KEY] = identity
        if histories:
            self._tables.history.store.put_many(tp.partition, histories)
        self._trending.count(events, clock, self._popular)
        self._metrics.events.inc(len(events))
        return Work(tp, begun, epoch, touches, histories, dead_letters, records[-1].offset + 1)

    async def deliver(self, work: Work, *, to_log: Turn, to_answer: Turn, generation: int) -> None:
        """Steps 3 to 5. Raises Superseded."""
        partition, tables = work.tp.partition, self._tables
        living = [touch for touch in work.touches if touch.is_answered]
        scoring = asyncio.ensure_future(
            self._score(
                [touch.after or b"" for touch in living],
                [touch.events[-1].timestamp_ms for touch in living],
                [touch.events[-1].context for touch in living],
            )
        )
        try:
            # 3. the histories' changelog, in the chunk's turn: never an older record of a user after a newer
            await to_log.wait()
            await self._fence.enter(generation)
            async with self._delivery.chunk(work.tp, generation=generation) as outbox:
                logged = await outbox.send(tables.history.changelog, partition, work.histories.items())
                if not self._delivery.atomic:
                    to_log.over()
                    self._rewrites.note(partition, tuple(work.histories), generation=generation)
                # 4. score, and answer in turn
                scored = await scoring
                await to_answer.wait()
                await self._fence.enter(generation)
                answers = self._answering.answer(work.tp, work.touches, living, scored, epoch=work.epoch)
                listed = await outbox.send(tables.lists.changelog, partition, answers.lists.items())
                await outbox.send(self._topics.recommendations, partition, answers.recommendations)
                await outbox.send(self._topics.outcomes, partition, answers.outcomes)
                for letter in work.dead_letters:
                    await outbox.send_one(self._topics.dead_letters, **letter._asdict())
                if not self._delivery.atomic:
                    to_answer.over()
                # 5. await the acknowledgements
                stands = await outbox.settle(work.next_offset)
        finally:
            scoring.cancel()  # where it is left before its time
        if stands and (self._delivery.atomic or self._rewrites.is_over(partition)):
            tables.history.settle(partition, work.histories, logged)
            tables.lists.settle(partition, answers.lists, listed)
        to_log.over()
        to_answer.over()
        if answers.commit_is_due:
            self._commit_soon()
        self._count(work, answers)

    async def take_over(self, partitions: Collection[TP]) -> None:
        """Partitions of the source are ours from now on, and nothing was read of their state yet."""
        await self._delivery.take_over(partitions)

    async def recovered(self, partitions: Collection[TP], *, generation: int) -> set[TP]:
        """The state of these partitions is whole; returns those whose source is another one than it was.

        They are to be read from the beginning. Raises SourceChanged where that was not asked for.
        """
        history = self._tables.history
        accepted = await self._sources.check(
            {tp.partition: history.store.get_many(tp.partition, [SOURCE_KEY])[0] for tp in partitions}
        )
        for tp in partitions:
            await self._rewrites.mend(tp.partition, self._tables, generation=generation)
        anew = {tp for tp in partitions if tp.partition in accepted}
        for tp in anew:
            # Stored before its first event, lest a start without one ask again.
            values: dict[bytes, bytes | None] = {SOURCE_KEY: accepted[tp.partition]}
            history.store.put_many(tp.partition, values)
            async with self._delivery.chunk(tp, generation=generation) as outbox:
                logged = await outbox.send(history.changelog, tp.partition, values.items())
                await outbox.settle(0)
            if self._delivery.atomic:
                history.settle(tp.partition, values, logged)
        return anew

    def forget_ownership(self) -> None:
        """All partitions were revoked."""
        self._sources.forget()
        self._rewrites.forget()
        self._tables.history.store.forget()
        self._tables.lists.store.forget()

    def _decode(self, records: Sequence[Any]) -> tuple[list[Interaction], list[DeadLetter]]:
        events: list[Interaction] = []
        dead_letters: list[DeadLetter] = []
        for record in records:
            found = decode(
                record.key, record.value, offset=record.offset, record_timestamp_ms=record.timestamp
            )
            if isinstance(found, Rejected):
                dead_letters.append(dead_letter(record, found))
                self._metrics.dead_letters.labels(found.field).inc()
            else:
                events.append(found)
        self._bad_share.add(good=len(events), bad=len(dead_letters))
        return events, dead_letters

    def _clock(self, partition: int, first_ms: int) -> PartitionClock:
        """The partition's; a new one begins at the newest of what is stored and the first record's own time.

        Not at the first event's: an old one would hold it back for as many events as it has days.
        """
        clock = self._clocks.get(partition)
        if clock is None:
            # A new owner: what the stored histories show is where trending begins.
            stored = islice(self._tables.history.store.partition_items(partition), _SEED_HISTORIES)
            records = [record for key, record in stored if key != SOURCE_KEY]
            newest = max((header(record).newest_ms for record in records), default=0)  # checks their format
            self._trending.count_histories(records, self._popular, self._item_name)
            clock = self._clocks[partition] = PartitionClock(max(newest, first_ms, 0))
        return clock

    def _count(self, work: Work, answers: Answers) -> None:
        metrics = self._metrics
        for role, count in answers.by_role.items():
            metrics.recommendations.labels(role).inc(count)
        for reason, count in answers.skipped.items():
            metrics.skipped.labels(reason).inc(count)
        for (role, hit), count in answers.judged.items():
            metrics.outcomes.labels(role).inc(count)
            if hit:
                metrics.hits.labels(role).inc(count)
        metrics.chunks.inc()
        metrics.chunk_seconds.observe(time.monotonic() - work.begun)

"""The worker's work without a model, an event at a time: what the rivals that know no chunks do with each.

The functions are the domain's own. Imported by a rival in an environment of its own: nothing here needs
Faust, aiokafka or RocksDB.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import Interaction, Rejected, decode
from stream_app.domain.history import contains, extend, length, position
from stream_app.domain.lists import GivenList, judging, read, remember, write
from stream_app.domain.messages import EventPosition, ModelRef, Outcome, Recommendation, Trigger, encode
from stream_app.domain.outcomes import judge
from stream_app.domain.ranking import Candidate, rank_trending
from stream_app.domain.trending import PartitionClock, Trending
from stream_app.settings import Settings

TRENDING = ModelRef("trending", "fallback")

_SORT_AFTER = 256
"""Events between two sortings of what is trending: for each event it would be the whole work."""


class Answer(NamedTuple):
    """What came of an event: the state to store, and the messages to send."""

    history: bytes
    lists: bytes
    recommendation: bytes
    outcome: bytes | None


class OneEvent:
    """Decodes, extends, counts, judges, ranks and remembers."""

    def __init__(self, settings: Settings, *, source_topic: str) -> None:
        self._topic = source_topic
        self._k = settings.k
        self._epoch = settings.source_epoch
        self._limit = settings.history_limit
        self._max_age_ms = _ms(days=settings.history_days)
        self._positive = frozenset(EVENT_TYPES.index(name) for name in settings.positive_types)
        self._trending = Trending(half_life_ms=_ms(days=settings.trending_half_life_days))
        self._clock = PartitionClock()
        self._counted = 0
        self._candidates: Sequence[Candidate] = ()

    def decode(self, key: bytes, value: bytes, *, offset: int, timestamp_ms: int) -> Interaction | None:
        """The event; None where it is a bad one."""
        event = decode(key, value, offset=offset, record_timestamp_ms=timestamp_ms)
        return None if isinstance(event, Rejected) else event

    def answer(
        self, event: Interaction, *, partition: int, before: bytes | None, given: bytes | None
    ) -> Answer | None:
        """Answer an event, given what is stored of its user; None where nothing is left to store."""
        now_ms = time.time_ns() // 1_000_000
        after = extend(before, [event], epoch=self._epoch, limit=self._limit, max_age_ms=self._max_age_ms)
        if after is None:
            return None
        self._trending.count([event], self._clock, self._positive.__contains__)
        lists = read(given)
        outcome = judge(
            event,
            judging(lists, self._epoch, event.offset),
            seen=before is not None and contains(before, event.item_hash),
            positive=self._positive,
            source=EventPosition(self._topic, partition, event.offset),
            now_ms=now_ms,
        )
        if not self._counted % _SORT_AFTER:
            self._candidates = self._trending.candidates(_any_item)
        self._counted += 1
        (ranking,) = rank_trending(self._candidates, [after], k=self._k)
        epoch, offset = position(after)
        new = GivenList(epoch, offset, now_ms, self._k, TRENDING, ranking.hashes)
        recommendation = Recommendation(
            user_id=event.user.decode(),
            items=ranking.items,
            model=TRENDING,
            trigger=Trigger((), self._topic, partition, offset),
            history_length=length(after),
            event_timestamp=event.timestamp_ms,
            emitted_at=now_ms,
        )
        return Answer(
            after,
            write(remember(lists, new, committed=(epoch, 0))),
            encode(recommendation),
            encode(outcome) if isinstance(outcome, Outcome) else None,
        )


def _any_item(item_hash: int) -> bool:
    return True


def _ms(*, days: float) -> int:
    return timedelta(days=days) // timedelta(milliseconds=1)

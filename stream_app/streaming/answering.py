"""Step 4 of the pipeline: a chunk's touches become lists, recommendations and outcomes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import cast

from faust.types import TP

from stream_app.domain import history
from stream_app.domain.lists import GivenList, read, remember, write
from stream_app.domain.messages import (
    ModelRef,
    Recommendation,
    Role,
    Trigger,
    encode,
    encode_within,
)
from stream_app.domain.outcomes import judge_together
from stream_app.domain.ranking import Candidate, RankedList, knows, rank, rank_trending
from stream_app.scoring.requests import Scored
from stream_app.streaming.lane.store import ChunkStore
from stream_app.streaming.touches import Touch, Window

TRENDING = ModelRef("trending", "fallback")

LISTS_BEFORE_COMMIT = 16
"""So many uncommitted lists of one user, and a commit is due: each is kept and logged until then."""


EVENT_IDS_MAX = 256
"""A trigger names the newest events of its chunk, at most so many."""

MAX_RECOMMENDATION_BYTES = 900_000
"""Kafka takes 1,048,588 bytes; a list of many items with long names and reasons could have more."""


@dataclass(slots=True)
class Answers:
    """What a chunk's answers come to: bytes to send, and counts."""

    lists: dict[bytes, bytes | None] = field(default_factory=dict)
    recommendations: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    outcomes: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    by_role: Counter[str] = field(default_factory=Counter)
    judged: Counter[tuple[str, bool]] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    commit_is_due: bool = False


class Answering:
    """Judges, ranks and remembers, user by user, strictly in order."""

    def __init__(
        self,
        *,
        source_topic: str,
        lists: ChunkStore,
        k: int,
        window: Window,
        positive: Collection[int],
        candidates: Callable[[], Sequence[Candidate]],
        committed_offset: Callable[[TP], int],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._topic = source_topic
        self._lists = lists
        self._k = k
        self._window = window
        self._positive = frozenset(positive)
        self._candidates = candidates
        self._committed_offset = committed_offset
        self._clock_ms = clock_ms

    def answer(
        self,
        tp: TP,
        touches: Sequence[Touch],
        living: Sequence[Touch],
        scored: Scored | None,
        *,
        epoch: int,
    ) -> Answers:
        """Answer the touches of a chunk; `scored` has one row for each of `living`, None without a model.

        `epoch` is that of the chunk's source.
        """
        answers = Answers()
        if not touches:
            return answers
        now_ms = self._clock_ms()
        committed = (epoch, self._committed_offset(tp))
        ranked = iter(self._rank(living, scored))
        users = list({touch.user: None for touch in touches})
        before = dict(zip(users, map(read, self._lists.get_many(tp.partition, users)), strict=True))
        given = dict(before)
        for touch in touches:
            user = touch.user
            self._judge(tp, epoch, touch, given[user], answers, now_ms)
            if touch.forgets:  # what was given since stays, where this is a replay
                at = (epoch, touch.events[-1].offset)
                before[user] = given[user] = tuple(one for one in given[user] if one.position > at)
            if touch.after is None or not touch.is_answered:
                continue
            ranking, model = next(ranked)
            at = history.position(touch.after)
            new = GivenList(*at, now_ms, self._k, model, ranking.hashes)
            # Beside what there was before the chunk: a replay never begins in the midst of one.
            given[user] = remember(before[user], new, committed=committed)
            message = self._recommendation(tp, touch, at, ranking, model, now_ms)
            answers.recommendations.append((user, message))
            answers.by_role[model.role] += 1
        answers.lists = {user: write(kept) if kept else None for user, kept in given.items()}
        answers.commit_is_due = any(len(kept) > LISTS_BEFORE_COMMIT for kept in given.values())
        self._lists.put_many(tp.partition, answers.lists)
        return answers

    def _rank(self, living: Sequence[Touch], scored: Scored | None) -> list[tuple[RankedList, ModelRef]]:
        if scored is None:
            return [(one, TRENDING) for one in self._fallback(living)]
        model = ModelRef(scored.snapshot.version, cast(Role, scored.snapshot.role))
        lists = rank(scored.ranked, scored.item_ids, scored.snapshot.vocabulary, k=self._k)
        known = [known and bool(one.items) for known, one in zip(knows(scored.item_ids), lists, strict=True)]
        fallback = iter(
            self._fallback([touch for touch, by_model in zip(living, known, strict=True) if not by_model])
        )
        return [
            (one, model) if by_model else (next(fallback), TRENDING)
            for one, by_model in zip(lists, known, strict=True)
        ]

    def _fallback(self, touches: Sequence[Touch]) -> list[RankedList]:
        if not touches:
            return []
        return rank_trending(self._candidates(), [touch.after for touch in touches], k=self._k)

    def _recommendation(
        self,
        tp: TP,
        touch: Touch,
        at: tuple[int, int],
        ranking: RankedList,
        model: ModelRef,
        now_ms: int,
    ) -> bytes:
        epoch, offset = at
        ids = [event.event_id for event in touch.events if event.event_id is not None]
        return encode_within(
            MAX_RECOMMENDATION_BYTES,
            Recommendation(
                user_id=touch.user.decode(),
                items=ranking.items,
                model=model,
                trigger=Trigger(tuple(ids[-EVENT_IDS_MAX:]), self._topic, tp.partition, offset, epoch),
                history_length=history.length(touch.after or b""),
                event_timestamp=touch.events[-1].timestamp_ms,
                emitted_at=now_ms,
            ),
        )

    def _judge(
        self,
        tp: TP,
        epoch: int,
        touch: Touch,
        lists: tuple[GivenList, ...],
        answers: Answers,
        now_ms: int,
    ) -> None:
        results = judge_together(
            touch.events,
            lists,
            before=touch.before,
            applied=touch.applied,
            limit=self._window.limit,
            max_age_ms=self._window.max_age_ms,
            topic=self._topic,
            partition=tp.partition,
            epoch=epoch,
            positive=self._positive,
            now_ms=now_ms,
        )
        for result in results:
            if isinstance(result, str):
                answers.skipped[result] += 1
            else:
                answers.outcomes.append((touch.user, encode(result)))
                answers.judged[result.model.role, result.rank is not None] += 1

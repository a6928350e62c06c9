"""Putting dead letters back into the stream: each at most once, wherever a run is killed.

Letters that are good now, because the rules have changed, the time has come, or somebody has mended them,
become events again. Event and mark (see `dead_letter_log`) go out in one transaction under an id of the app's
own: a second run waits for the first one's end, and fences it. The embedded broker has no transactions; there
a run that is killed may be followed by one that sends some events again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from stream_app.domain.decoding import Rejected, decode
from stream_app.streaming.dead_letter_log import Letter, Place, kind_of, mark_of, read_letters
from stream_app.streaming.lane import tansu
from stream_app.streaming.topic_admin import TopicProblem, find_topics
from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES

_AT_ONCE = 200
_RETRY_MS = 5
_RECORD_OVERHEAD = 128
"""Bytes: the batch's header is 61, the record's own at most 30 or so."""


@dataclass
class Replayed:
    """What came of a run; `still_bad` counts letters by the kind of their reason."""

    sent: int = 0
    already: int = 0
    still_bad: Counter[str] = field(default_factory=Counter)


def keyed_from_value(letter: Letter) -> Letter:
    """The letter under the key that its value names; as it is where there is none to be read."""
    try:
        user = msgspec.json.decode(letter.value or b"")["user_id"]
        return replace(letter, key=user.encode())
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError, AttributeError):
        return letter


def refusal_of(letter: Letter, *, at_ms: int, room: int | None) -> Rejected | None:
    """Why the letter, sent under the timestamp `at_ms`, would come back at once; None where it would not.

    `room` is what the events topic takes in one batch, in bytes; None where the broker does not tell.
    """
    if letter.truncated is not None:
        reason = f"only a part of its {letter.truncated} bytes was kept; mend it, or send the event anew"
        return Rejected(reason, "value")
    found = decode(letter.key, letter.value, offset=0, record_timestamp_ms=at_ms)
    if isinstance(found, Rejected):
        return found
    size = len(letter.key or b"") + len(letter.value or b"") + _RECORD_OVERHEAD
    if room is not None and size > room:  # it was compressed when it came
        reason = f"{size} bytes are more than max.message.bytes of the events topic, {room}; raise it"
        return Rejected(reason, "value")
    return None


async def replay_letters(
    kafka: Mapping[str, Any],
    *,
    events: str,
    dead_letters: str,
    app_id: str,
    choose: Callable[[Letter], bool],
    mend: Callable[[Letter], Letter],
    dry_run: bool,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Replayed:
    """Send what `choose` takes, as `mend` gives it back, where it is good.

    Raises TopicProblem, KafkaError.
    """
    outcome = Replayed()
    if (topic := (await find_topics(kafka, [events])).get(events)) is None:
        raise TopicProblem(f"topic {events} is missing; run millstream topics create")
    async with _producer(kafka, app_id, dry_run=dry_run) as producer:
        # Read when an earlier run has ended for certain: its marks are there, or its events are not.
        chosen = [letter for letter in await read_letters(kafka, dead_letters) if choose(letter)]
        outcome.already = sum(letter.replayed for letter in chosen)
        good = []
        for letter in chosen:
            if letter.replayed:
                continue
            timed = _timed(mend(letter), room=topic.max_message_bytes)
            if isinstance(timed, Rejected):
                outcome.still_bad[kind_of(timed.reason)] += 1
            else:
                good.append(timed)
        if producer is None:
            outcome.sent = len(good)
            return outcome
        for start in range(0, len(good), _AT_ONCE):
            some = good[start : start + _AT_ONCE]
            await _send(producer, events, dead_letters, some)
            outcome.sent += len(some)
            on_progress(outcome.sent)
    return outcome


def _timed(letter: Letter, *, room: int | None) -> Letter | Rejected:
    """The letter with the time to send it under: its own, or now where that is why it was bad."""
    rejected = None
    for at_ms in (letter.sent_at_ms, time.time_ns() // 1_000_000):
        if at_ms is not None:
            rejected = refusal_of(letter, at_ms=at_ms, room=room)
            if rejected is None:
                return replace(letter, sent_at_ms=at_ms)
    assert rejected is not None
    return rejected


async def _send(
    producer: AIOKafkaProducer, events: str, dead_letters: str, letters: Sequence[Letter]
) -> None:
    async with _transaction(producer):
        waiting = []
        for letter in letters:
            sent = producer.send(events, letter.value, key=letter.key, timestamp_ms=letter.sent_at_ms)
            waiting.append(await sent)
            mark = mark_of(letter)
            waiting.append(await producer.send(dead_letters, None, key=letter.key, headers=mark))
        for future in waiting:
            await future


@asynccontextmanager
async def _producer(
    kafka: Mapping[str, Any], app_id: str, *, dry_run: bool
) -> AsyncIterator[AIOKafkaProducer | None]:
    if dry_run:
        yield None
        return
    options: dict[str, Any] = {"acks": "all", "max_request_size": DEAD_LETTER_MAX_BYTES}
    if not await tansu.is_tansu(kafka):
        options |= {"transactional_id": f"{app_id}-dead-letter-replay", "retry_backoff_ms": _RETRY_MS}
    producer = AIOKafkaProducer(**kafka, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _transaction(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    if producer._txn_manager is None:
        yield
        return
    async with producer.transaction():
        yield


def mended_from(lines: Iterable[Mapping[str, Any]]) -> Callable[[Letter], Letter]:
    """A mender by a list of {"place", "value", optionally "key"}; other letters stay as they are.

    Raises ValueError for a place that is none.

    A value that is text is taken as it is, anything else is written as JSON.
    """
    by_place = {Place.parse(line["place"]): line for line in lines}

    def mend(letter: Letter) -> Letter:
        line = by_place.get(letter.place)
        if line is None:
            return letter
        value, key = line["value"], line.get("key")
        return replace(
            letter,
            value=value.encode() if isinstance(value, str) else msgspec.json.encode(value),
            key=key.encode() if key is not None else letter.key,
            truncated=None,
        )

    return mend

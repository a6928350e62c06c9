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
from stream_app.streaming.dead_letter_log import Letter, mark_of, read_letters
from stream_app.streaming.lane import tansu
from stream_app.streaming.topics import DEAD_LETTER_MAX_BYTES

_AT_ONCE = 200
_RETRY_MS = 5


@dataclass
class Replayed:
    """What came of a run; `still_bad` counts letters by reason."""

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


def is_good(letter: Letter, *, now_ms: int) -> Rejected | None:
    """Why the letter would come back at once, by the rules of now; None where it would not."""
    if letter.truncated is not None:
        reason = f"only a part of its {letter.truncated} bytes was kept; mend it, or send the event anew"
        return Rejected(reason, "value")
    found = decode(letter.key, letter.value, offset=0, record_timestamp_ms=now_ms)
    return found if isinstance(found, Rejected) else None


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
    async with _producer(kafka, app_id, dry_run=dry_run) as producer:
        # Read when an earlier run has ended for certain: its marks are there, or its events are not.
        chosen = [letter for letter in await read_letters(kafka, dead_letters) if choose(letter)]
        outcome.already = sum(letter.replayed for letter in chosen)
        good = []
        for letter in chosen:
            if letter.replayed:
                continue
            mended = mend(letter)
            if rejected := is_good(mended, now_ms=time.time_ns() // 1_000_000):
                outcome.still_bad[rejected.reason] += 1
            else:
                good.append(mended)
        if producer is None:
            outcome.sent = len(good)
            return outcome
        for start in range(0, len(good), _AT_ONCE):
            some = good[start : start + _AT_ONCE]
            await _send(producer, events, dead_letters, some)
            outcome.sent += len(some)
            on_progress(outcome.sent)
    return outcome


async def _send(
    producer: AIOKafkaProducer, events: str, dead_letters: str, letters: Sequence[Letter]
) -> None:
    async with _transaction(producer):
        waiting = []
        for letter in letters:
            waiting.append(await producer.send(events, letter.value, key=letter.key))
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

    A value that is text is taken as it is, anything else is written as JSON.
    """
    by_place = {line["place"]: line for line in lines}

    def mend(letter: Letter) -> Letter:
        line = by_place.get(str(letter.place))
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

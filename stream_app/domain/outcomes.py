"""Test, then learn: how an event fared against the list that its user had before it.

The denominator of the hit rate is every event of a positive type whose user already had a list and whose item
is new to the user; the rest is counted by reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import ages, columns, contains, extend, length
from stream_app.domain.lists import GivenList, judging
from stream_app.domain.messages import EventPosition, Outcome

Skipped = Literal["not positive", "no list yet", "seen before", "out of the window"]
"""Why an event is not judged; out of the window: a replay cannot tell any more whether its item was new."""


def judge(
    event: Interaction,
    given: GivenList | None,
    *,
    seen: bool,
    positive: Collection[int],
    source: EventPosition,
    now_ms: int,
) -> Outcome | Skipped:
    """Judge one event against the newest list whose trigger lies before it; `positive` holds type codes."""
    if event.type_code not in positive:
        return "not positive"
    if given is None:
        return "no list yet"
    if seen:
        return "seen before"
    return _outcome(event.user.decode(), event, given, source, now_ms)


def judge_together(
    events: Sequence[Interaction],
    lists: tuple[GivenList, ...],
    *,
    before: bytes | None,
    applied: int,
    limit: int,
    max_age_ms: int,
    topic: str,
    partition: int,
    epoch: int,
    positive: Collection[int],
    now_ms: int,
) -> list[Outcome | Skipped]:
    """Judge a user's events that share their next list, in order; `lists` are those before, newest first.

    `before` is the window before the first of them, up to the offset `applied`; it slides on with each event
    by `limit` and `max_age_ms`, as `history.extend` lets it. This is what a worker spends most of its time
    on, so that nothing is looked at twice.
    """
    results: list[Outcome | Skipped] = []
    given = lists[0] if lists else None
    by_one = given is None or given.position < (epoch, events[0].offset)
    seen: SeenItems | AgingItems | None = None
    if given is not None:
        if before is None or ages(before, events, max_age_ms):
            seen = AgingItems(before, applied=applied, epoch=epoch, limit=limit, max_age_ms=max_age_ms)
        else:
            seen = SeenItems(before, applied=applied, limit=limit)
    user = events[0].user.decode()
    for event in events:
        if not by_one:
            given = judging(lists, epoch, event.offset)
        if event.type_code not in positive:
            results.append("not positive")
        elif given is None or seen is None:
            results.append("no list yet")
        elif held := seen.holds(event):
            results.append("seen before")
        elif held is None:
            results.append("out of the window")
        else:
            source = EventPosition(topic, partition, event.offset, epoch)
            results.append(_outcome(user, event, given, source, now_ms))
        if seen is not None:
            seen.add(event)
    return results


def _outcome(user: str, event: Interaction, given: GivenList, source: EventPosition, now_ms: int) -> Outcome:
    return Outcome(
        user_id=user,
        item_id=event.item_id,
        type=EVENT_TYPES[event.type_code],
        rank=given.rank(event.item_hash),
        k=given.k,
        model=given.model,
        age_ms=max(now_ms - given.emitted_at_ms, 0),
        event=source,
        list_offset=given.offset,
    )


class SeenItems:
    """What a user had before each of the events that share a list: the window slides on with every event.

    `before` is the history as stored, `applied` the last offset in it: events up to there are replayed,
    and told from the window itself. `limit` is the window's length.

    Entries do not grow old here: `AgingItems` is for events that do.
    """

    def __init__(self, before: bytes | None, *, applied: int, limit: int) -> None:
        self._before = before
        self._applied = applied
        self._limit = limit
        self._room = limit - (length(before) if before is not None else 0)
        self._fresh: dict[int, int] = {}  # item hash → which fresh event had it last
        self._count = 0
        self._again: set[tuple[int, int, int]] = set()

    def holds(self, event: Interaction) -> bool | None:
        """Whether the item was there before the event; None where a replay can no longer tell."""
        before = self._before
        if event.offset <= self._applied:
            if before is None:
                return None
            # One that was produced twice: the window has two, of which the first is found.
            return _facts(event) in self._again or seen_before_replayed(event, before)
        last = self._fresh.get(event.item_hash)
        if last is not None and self._count - last <= self._limit:
            return True
        if before is None:
            return False
        return contains(before, event.item_hash, start=max(self._count - self._room, 0))

    def add(self, event: Interaction) -> None:
        """The event is in the window from now on."""
        if event.offset > self._applied:
            self._fresh[event.item_hash] = self._count
            self._count += 1
        else:
            self._again.add(_facts(event))


class AgingItems:
    """As `SeenItems`, where an entry may leave the window by its age: it is extended event by event."""

    def __init__(
        self, before: bytes | None, *, applied: int, epoch: int, limit: int, max_age_ms: int
    ) -> None:
        self._counted = SeenItems(before, applied=applied, limit=limit)
        self._applied = applied
        self._window = before
        self._extend = partial(extend, epoch=epoch, limit=limit, max_age_ms=max_age_ms)

    def holds(self, event: Interaction) -> bool | None:
        """As there."""
        if event.offset <= self._applied:
            return self._counted.holds(event)
        return self._window is not None and contains(self._window, event.item_hash)

    def add(self, event: Interaction) -> None:
        """As there."""
        if event.offset <= self._applied:
            self._counted.add(event)
        else:
            self._window = self._extend(self._window, [event])


def _facts(event: Interaction) -> tuple[int, int, int]:
    return event.item_hash, event.timestamp_ms, event.type_code


def seen_before_replayed(event: Interaction, record: bytes) -> bool | None:
    """Whether a replayed event's item was in the window before it, told from the window that came of it.

    None where the event itself has left the window: nothing can be said then.
    """
    window = columns(record)
    moment = event.timestamp_ms << 8 | event.type_code
    match = ((window[:, 0] == event.item_hash) & (window[:, 1] == moment)).nonzero()[0]
    if not len(match):
        return None
    return contains(record, event.item_hash, end=int(match[0]))

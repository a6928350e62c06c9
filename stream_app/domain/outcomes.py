"""Test, then learn: how an event fared against the list that its user had before it.

The denominator of the hit rate is every event of a positive type whose user already had a list and whose item
is new to the user; the rest is counted by reason.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import columns, contains
from stream_app.domain.lists import GivenList
from stream_app.domain.messages import EventPosition, Outcome

Skipped = Literal["not positive", "no list yet", "seen before", "out of the window"]


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
    return Outcome(
        user_id=event.user.decode(),
        item_id=event.item_id,
        type=EVENT_TYPES[event.type_code],
        rank=given.rank(event.item_hash),
        k=given.k,
        model=given.model,
        age_ms=max(now_ms - given.emitted_at_ms, 0),
        event=source,
        list_offset=given.offset,
    )


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

"""What travels through Kafka: every message as a frozen struct, its JSON and its JSON Schema.

All values are UTF-8 JSON. Unknown fields are ignored, so that a newer producer does not break an older
reader. Times are integer milliseconds since the epoch (UTC).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from models.bundle.context import Scalar
from models.bundle.signature import EVENT_TYPES

FORGET = "forget"
"""The control type: erase this user. It carries no item and is never stored."""

INTERACTION_TYPES: tuple[str, ...] = EVENT_TYPES[1:]
"""The types that a history can hold, in the order of their codes (1 for `view` and so on)."""

MAX_ID_BYTES = 256
MAX_VALUE_BYTES = 1 << 20

EventType = Literal["view", "click", "cart", "purchase", "like", "dislike", "forget"]
Role = Literal["champion", "challenger", "fallback"]
Identifier = Annotated[str, Meta(min_length=1, description="not empty, at most 256 bytes of UTF-8")]
Milliseconds = Annotated[int, Meta(description="milliseconds since the epoch, UTC")]
Share = Annotated[float, Meta(ge=0, le=1)]


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that a user did; the Kafka key is the user's id."""

    user_id: Identifier
    type: Annotated[EventType, Meta(description="what was done; `forget` erases the user and has no item_id")]
    item_id: Annotated[
        str | None, Meta(description="what it was done to; not empty, at most 256 bytes of UTF-8")
    ] = None
    timestamp: Annotated[
        int | None, Meta(description="when, in milliseconds since the epoch; absent: the record's own")
    ] = None
    event_id: Annotated[
        str | None, Meta(description="at most 256 bytes; passed on in the trigger, not deduplicated by")
    ] = None
    context: Annotated[
        dict[str, Scalar] | None, Meta(description="the moment's circumstances: device, place, …")
    ] = None


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the catalogue; the Kafka key is its id, and a null value retires it."""

    item_id: Identifier
    title: Annotated[str | None, Meta(description="what people call it")] = None
    domain: Annotated[str | None, Meta(description="films, songs, … where a catalogue holds several")] = None
    categories: Annotated[tuple[str, ...], Meta(description="what it can be filtered by")] = ()
    available: Annotated[bool, Meta(description="false: never recommended")] = True
    published_at: Annotated[int | None, Meta(description="milliseconds since the epoch, UTC")] = None
    features: Annotated[
        dict[str, str | float], Meta(description="whatever else a model can learn from, by name")
    ] = {}
    embedding: Annotated[tuple[float, ...] | None, Meta(description="a given vector, such as an image's")] = (
        None
    )


class Because(Struct, frozen=True, gc=False):
    """A hint at why: an item of the history and the attention that it got."""

    item_id: Annotated[str, Meta(description="the item of the user's history")]
    weight: Annotated[float, Meta(description="its share of the attention, 0 to 1")]


class RecommendedItem(Struct, frozen=True, gc=False, omit_defaults=True):
    """One place of a list."""

    item_id: Annotated[str, Meta(description="what to show")]
    score: Annotated[float, Meta(description="orders the list; it has no unit")]
    because: Annotated[tuple[Because, ...], Meta(description="the strongest reasons; none for a fallback")]
    propensity: Annotated[float | None, Meta(description="chance of being shown, where ranking explores")] = (
        None
    )


class ModelRef(Struct, frozen=True, gc=False):
    """Which model made a list."""

    version: Annotated[str, Meta(description='the bundle\'s version; "trending" where role is fallback')]
    role: Annotated[Role, Meta(description="`fallback` is the live trending list, made without a model")]


class Trigger(Struct, frozen=True, gc=False, omit_defaults=True):
    """The stored position after the events were applied: the list reflects the history exactly up to it."""

    event_ids: Annotated[
        tuple[str, ...], Meta(description="of the newest events applied, at most 256, where they had one")
    ]
    topic: Annotated[str, Meta(description="the source topic")]
    partition: Annotated[int, Meta(description="the source partition")]
    offset: Annotated[int, Meta(description="the last event's offset")]
    epoch: Annotated[int, Meta(description="raised where the source topic was made anew; 0 if absent")] = 0


class Recommendation(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a user gets now. A reader drops triggers at or below the last seen for the user and partition."""

    user_id: Annotated[str, Meta(description="for whom; also the Kafka key")]
    items: Annotated[tuple[RecommendedItem, ...], Meta(description="best first; it may be empty")]
    model: ModelRef
    trigger: Trigger
    history_length: Annotated[int, Meta(description="how many events the user's stored window holds")]
    event_timestamp: Annotated[Milliseconds, Meta(description="of the event that triggered the list")]
    emitted_at: Annotated[Milliseconds, Meta(description="when the list was made")]
    experiment: Annotated[str | None, Meta(description="the trial's name, where one runs")] = None


class EventPosition(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where an event lies in the source topic."""

    topic: Annotated[str, Meta(description="the source topic")]
    partition: Annotated[int, Meta(description="the source partition")]
    offset: Annotated[int, Meta(description="the event's offset")]
    epoch: Annotated[int, Meta(description="raised where the source topic was made anew; 0 if absent")] = 0


class Outcome(Struct, frozen=True, gc=False, kw_only=True):
    """How a positive event fared against the list that the user had before it; keyed by `event`."""

    user_id: Annotated[str, Meta(description="whose event it was; also the Kafka key")]
    item_id: Annotated[str, Meta(description="the event's item")]
    type: Annotated[str, Meta(description="the event's type")]
    rank: Annotated[int | None, Meta(description="1 is the top of the list; null: not in it")]
    k: Annotated[int, Meta(description="how many places the list could have had")]
    model: ModelRef
    age_ms: Annotated[int, Meta(description="from the list's emission to the event's handling")]
    event: EventPosition
    list_offset: Annotated[int, Meta(description="the trigger of the list that was judged")]


class ModelAnnouncement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's place in the running system; the Kafka key is the channel."""

    version: Annotated[str, Meta(description="the bundle's version")]
    uri: Annotated[str, Meta(description="where the bundle lies; any fsspec URL")]
    sha256: Annotated[str, Meta(description="of the bundle's manifest.json")]
    role: Annotated[
        Literal["champion", "challenger", "retired"], Meta(description="`retired`: no worker serves it")
    ]
    announced_at: Milliseconds
    share: Annotated[Share | None, Meta(description="of the users, for a challenger: 0 to 1")] = None


MESSAGES: dict[str, type[Struct]] = {
    "event": Event,
    "item": Item,
    "recommendation": Recommendation,
    "outcome": Outcome,
    "model": ModelAnnouncement,
}

_encoder = msgspec.json.Encoder()


def encode(message: Struct) -> bytes:
    """The message as UTF-8 JSON."""
    return _encoder.encode(message)


def encode_within(limit: int, recommendation: Recommendation) -> bytes:
    """The list as UTF-8 JSON of at most `limit` bytes: without reasons, then shorter, where it must be."""
    encoded = _encoder.encode(recommendation)
    items = recommendation.items
    if len(encoded) > limit:
        items = tuple([msgspec.structs.replace(item, because=()) for item in items])
        encoded = _encoder.encode(msgspec.structs.replace(recommendation, items=items))
    while len(encoded) > limit and items:
        items = items[: len(items) // 2]
        encoded = _encoder.encode(msgspec.structs.replace(recommendation, items=items))
    return encoded


def schemas() -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, by the message's name."""
    return {name: msgspec.json.schema(kind) for name, kind in MESSAGES.items()}

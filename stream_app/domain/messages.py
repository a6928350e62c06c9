"""What travels through Kafka: every message as a frozen struct, its JSON and its JSON Schema.

All values are UTF-8 JSON. Unknown fields are ignored, so that a newer producer does not break an older
reader. Times are integer milliseconds since the epoch (UTC).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from models.bundle.signature import EVENT_TYPES

FORGET = "forget"
"""The control type: erase this user. It carries no item and is never stored."""

INTERACTION_TYPES: tuple[str, ...] = EVENT_TYPES[1:]
"""The types that a history can hold, in the order of their codes (1 for `view` and so on)."""

MAX_ID_BYTES = 256
MAX_VALUE_BYTES = 1 << 20

EventType = Literal["view", "click", "cart", "purchase", "like", "dislike", "forget"]
Scalar = str | int | float | bool
Identifier = Annotated[str, Meta(min_length=1, description="not empty, at most 256 bytes of UTF-8")]
Milliseconds = Annotated[int, Meta(description="milliseconds since the epoch, UTC")]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a user did; the Kafka key is the user's id."""

    user_id: Identifier
    type: Annotated[EventType, Meta(description="what was done; `forget` erases the user and has no item_id")]
    item_id: Annotated[str | None, Meta(description="what it was done to")] = None
    timestamp: Annotated[int | None, Meta(description="when; milliseconds. Absent: Kafka's own")] = None
    event_id: Annotated[str | None, Meta(description="passed on in the trigger; not deduplicated by")] = None
    context: Annotated[
        dict[str, Scalar] | None, Meta(description="the moment's circumstances: device, place, …")
    ] = None


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the catalogue; the Kafka key is its id, and a null value retires it."""

    item_id: Identifier
    title: str | None = None
    domain: Annotated[str | None, Meta(description="films, songs, … where a catalogue holds several")] = None
    categories: tuple[str, ...] = ()
    available: Annotated[bool, Meta(description="false: never recommended")] = True
    published_at: Milliseconds | None = None
    features: dict[str, str | float] = {}
    embedding: Annotated[tuple[float, ...] | None, Meta(description="a given vector, such as an image's")] = None


class Because(Struct, frozen=True):
    """A hint at why: an item of the history and the attention that it got (0 to 1)."""

    item_id: str
    weight: float


class RecommendedItem(Struct, frozen=True, omit_defaults=True):
    """One place of a list; `score` orders the list and has no unit."""

    item_id: str
    score: float
    because: tuple[Because, ...] = ()
    propensity: Annotated[float | None, Meta(description="chance of being shown, where ranking explores")] = None


Role = Literal["champion", "challenger", "fallback"]


class ModelRef(Struct, frozen=True):
    """Which model made a list; `fallback` is the live trending list and has the version "trending"."""

    version: str
    role: Role


class Trigger(Struct, frozen=True):
    """The stored position after the events were applied: the list reflects the history exactly up to it."""

    event_ids: tuple[str, ...]
    topic: str
    partition: int
    offset: int


class Recommendation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user gets now. A reader drops triggers at or below the last seen for the user and partition."""

    user_id: str
    items: tuple[RecommendedItem, ...]
    model: ModelRef
    trigger: Trigger
    history_length: int
    event_timestamp: Milliseconds
    emitted_at: Milliseconds
    experiment: str | None = None


class EventPosition(Struct, frozen=True):
    """Where an event lies in the source topic."""

    topic: str
    partition: int
    offset: int


class Outcome(Struct, frozen=True, kw_only=True):
    """How a positive event fared against the list that the user had before it; keyed by `event`."""

    user_id: str
    item_id: str
    type: str
    rank: Annotated[int | None, Meta(description="1 is the top of the list; null: not in it")]
    k: Annotated[int, Meta(description="how many places the list could have had")]
    model: ModelRef
    age_ms: Annotated[int, Meta(description="from the list's emission to the event's handling")]
    event: EventPosition
    list_offset: Annotated[int, Meta(description="the trigger of the list that was judged")]


class ModelAnnouncement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's place in the running system; the Kafka key is the channel."""

    version: str
    uri: Annotated[str, Meta(description="where the bundle lies; any fsspec URL")]
    sha256: Annotated[str, Meta(description="of the bundle's manifest.json")]
    role: Literal["champion", "challenger", "retired"]
    announced_at: Milliseconds
    share: Annotated[float | None, Meta(ge=0, le=1, description="of the users, for a challenger")] = None


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


def schemas() -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, by the message's name."""
    return {name: msgspec.json.schema(kind) for name, kind in MESSAGES.items()}

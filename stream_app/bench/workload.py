"""The events of a benchmark: users and items by Zipf's law, as producers send them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from stream_app.domain.messages import Event, EventType, Item, encode
from stream_app.streaming.sending import Outgoing

TYPES: tuple[EventType, ...] = ("view", "click", "like")
TYPE_SHARES = (0.8, 0.15, 0.05)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`events` of up to `users` users on the items; the same seed gives the same events.

    The exponents are those of Zipf's law. With the defaults the first user has 13 % of the events and the
    first item 3 %: there are hot users and cold ones, full windows and empty ones.
    """

    events: int
    users: int = 100_000
    item_ids: Sequence[str]
    user_exponent: float = 1.1
    item_exponent: float = 0.8
    seed: int = 1
    event_bytes: int = 0
    """How long an event's JSON is at least: a shorter one tells of the page that it happened on."""

    def records(self) -> Iterator[Outgoing]:
        """The events as records of the source topic, a millisecond apart, the last one now."""
        random = np.random.default_rng(self.seed)
        users = _zipf(random, self.users, self.user_exponent, self.events)
        # Which of the items is popular has nothing to do with its place in the catalogue.
        order = random.permutation(len(self.item_ids))
        items = order[_zipf(random, len(self.item_ids), self.item_exponent, self.events)]
        types = random.choice(len(TYPES), size=self.events, p=TYPE_SHARES)
        begin_ms = time.time_ns() // 1_000_000 - self.events
        for number, (user, item, kind) in enumerate(
            zip(users.tolist(), items.tolist(), types.tolist(), strict=True)
        ):
            name, timestamp_ms = user_id(user), begin_ms + number
            event = Event(user_id=name, item_id=self.item_ids[item], type=TYPES[kind], timestamp=timestamp_ms)
            yield Outgoing(name.encode(), sized(event, self.event_bytes), timestamp_ms)


def sized(event: Event, size: int) -> bytes:
    """The event as JSON of at least `size` bytes; a shorter one gets a context."""
    value = encode(event)
    if len(value) >= size:
        return value
    page = "/" + "p" * (size - len(value) - len(',"context":{"page":"/"}'))
    return encode(structs.replace(event, context={"page": page}))


def user_id(number: int) -> str:
    return f"user-{number}"


def catalogue(count: int) -> list[str]:
    """Ids of a made-up catalogue."""
    return [f"item-{number}" for number in range(count)]


def item_records(item_ids: Sequence[str]) -> Iterator[Outgoing]:
    """The catalogue as records of the `items` topic, with what a shop would say of each item."""
    for number, name in enumerate(item_ids):
        item = Item(
            item_id=name,
            title=f"The {number}th thing that somebody may want",
            categories=(f"category-{number % 20}", f"category-{number % 7}"),
            published_at=1_600_000_000_000 + number,
        )
        yield Outgoing(name.encode(), encode(item), None)


def _zipf(random: np.random.Generator, size: int, exponent: float, count: int) -> NDArray[np.int64]:
    weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    return random.choice(size, size=count, p=weights / weights.sum())

"""How a chunk's events become answers: which events of a user share one list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend, position

Emission = Literal["touched", "each"]


@dataclass(frozen=True, slots=True)
class Window:
    """How histories are kept; see `history.extend`."""

    epoch: int
    limit: int
    max_age_ms: int


class Touch(Struct, frozen=True, gc=False):
    """Events of one user that get one list, and the user's history before and after them.

    Events with an offset up to `applied` were applied before: this is a replay of them.
    """

    user: bytes
    events: Sequence[Interaction]
    before: bytes | None
    after: bytes | None
    applied: int


def touches_of(
    user: bytes, events: Sequence[Interaction], stored: bytes | None, *, window: Window, emission: Emission
) -> Iterator[Touch]:
    """The touches of a user's events in a chunk, in order; the last one's `after` is what is stored.

    `touched`: one for all. `each`: one an event; only what is replayed shares one, since the histories
    between are gone.
    """
    applied = -1
    if stored is not None:
        epoch, offset = position(stored)
        applied = offset if epoch == window.epoch else -1
    if emission == "touched" or len(events) == 1:
        yield Touch(user, events, stored, _extend(stored, events, window), applied)
        return
    replayed = [event for event in events if event.offset <= applied]
    if replayed:
        yield Touch(user, replayed, stored, stored, applied)
    record = stored
    for event in events[len(replayed) :]:
        after = _extend(record, (event,), window)
        yield Touch(user, (event,), record, after, applied)
        record = after


def _extend(record: bytes | None, events: Sequence[Interaction], window: Window) -> bytes | None:
    return extend(record, events, epoch=window.epoch, limit=window.limit, max_age_ms=window.max_age_ms)

"""How a chunk's events become answers: which events of a user share one list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend, position

Emission = Literal["touched", "each"]


class EpochPassed(Exception):
    """The state is of a later source than the one that this worker was told of."""


@dataclass(frozen=True, slots=True)
class Window:
    """How histories are kept; see `history.extend`."""

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

    @property
    def forgets(self) -> bool:
        """The last event erases the user; a touch never goes beyond that."""
        return not self.events[-1].type_code

    @property
    def is_answered(self) -> bool:
        """Whether the user gets a list: not where there is nothing left to make it of."""
        return self.after is not None and not self.forgets


def touches_of(
    user: bytes,
    events: Sequence[Interaction],
    stored: bytes | None,
    *,
    epoch: int,
    window: Window,
    emission: Emission,
) -> Iterator[Touch]:
    """The touches of a user's events in a chunk, in order; the last one's `after` is what is stored.

    `touched`: one for all. `each`: one an event; only what is replayed shares one, since the histories
    between are gone. Both are cut after every `forget`: what follows it is another history.

    Raises EpochPassed.
    """
    applied = -1
    if stored is not None:
        stored_epoch, offset = position(stored)
        if stored_epoch > epoch:
            # Every event would look applied, and be passed over in silence.
            raise EpochPassed(
                f"a history was stored under source epoch {stored_epoch}, and the partition has {epoch}; "
                f"set MILLSTREAM_SOURCE_EPOCH={stored_epoch}"
            )
        applied = offset if stored_epoch == epoch else -1
    record, start = stored, 0
    for end, event in enumerate(events, 1):
        is_last = end == len(events)
        if is_last or not event.type_code or (emission == "each" and events[end].offset > applied):
            together = events[start:end]
            after = extend(record, together, epoch=epoch, limit=window.limit, max_age_ms=window.max_age_ms)
            yield Touch(user, together, record, after, applied)
            record, start = after, end

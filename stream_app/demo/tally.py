"""Hit rates of the model and its rivals over the same events: those judged against a model's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_app.demo.rivals import Chances
from stream_app.domain.messages import EventPosition, Outcome


@dataclass
class Hits:
    """Sums over the events judged under one model, or under all of them."""

    judged: int = 0
    model: float = 0.0
    popularity: float = 0.0
    recent_popularity: float = 0.0
    random: float = 0.0

    def add(self, hit: bool, rivals: Chances) -> None:
        """Count one judged event."""
        self.judged += 1
        self.model += hit
        self.popularity += rivals.popularity
        self.recent_popularity += rivals.recent_popularity
        self.random += rivals.random

    def rates(self) -> dict[str, float | None]:
        """`model`, `popularity` (of all time or of 30 days, whichever is better so far) and `random`, 0 to 1.

        None where nothing was judged yet.
        """
        best = max(self.popularity, self.recent_popularity)
        sums = {"model": self.model, "popularity": best, "random": self.random}
        return {name: value / self.judged if self.judged else None for name, value in sums.items()}


@dataclass
class Tally:
    """Brings an outcome and the rivals' chances at the same event together; either may come first.

    `live_from` is the offset in each partition before which everything is history, and not counted.
    """

    live_from: Mapping[int, int] = field(default_factory=dict)
    outcomes: int = 0
    total: Hits = field(default_factory=Hits)
    by_version: dict[str, Hits] = field(default_factory=dict)
    _chances: dict[tuple[int, int], Chances] = field(default_factory=dict)
    _waiting: dict[tuple[int, int], Outcome] = field(default_factory=dict)
    _counted: set[tuple[int, int]] = field(default_factory=set)

    def rivals_at(self, partition: int, offset: int, chances: Chances) -> None:
        """What the rivals would have hit at the event that lies there."""
        self._chances[partition, offset] = chances
        outcome = self._waiting.pop((partition, offset), None)
        if outcome is not None:
            self._count(outcome)

    def outcome(self, outcome: Outcome) -> None:
        """Take an outcome in; one that was there already does not count (a worker may say it twice)."""
        partition, offset = position = _position(outcome.event)
        if offset < self.live_from.get(partition, 0) or position in self._counted:
            return
        self._counted.add(position)
        self.outcomes += 1
        if outcome.model.role == "fallback":
            return
        if position in self._chances:
            self._count(outcome)
        else:
            self._waiting[position] = outcome

    def _count(self, outcome: Outcome) -> None:
        chances = self._chances.pop(_position(outcome.event))
        hit = outcome.rank is not None
        self.total.add(hit, chances)
        self.by_version.setdefault(outcome.model.version, Hits()).add(hit, chances)


def _position(event: EventPosition) -> tuple[int, int]:
    return event.partition, event.offset

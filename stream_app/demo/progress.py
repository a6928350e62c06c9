"""Everything that is known of a running demo: written by its parts, read by the view and the summary."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stream_app.demo.latency import Latencies
from stream_app.demo.pacing import Stage
from stream_app.demo.tally import Tally

_USERS_SHOWN = 3
_WATCHED_SHOWN = 3
_SHOWN_EVERY_S = 1.5
_RATE_WINDOW_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Swap:
    """A model has answered for the first time."""

    version: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A user's last events, newest first, and what was recommended then; no `because`: what is trending."""

    user_id: str
    watched: tuple[str, ...]
    recommended: tuple[str, ...]
    because: tuple[str, ...]


@dataclass
class Rate:
    """Events a second over the last few seconds."""

    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def per_second(self, count: int, *, now_s: float) -> float:
        """The rate, given how many there have been by now; ask often."""
        self._marks.append((now_s, count))
        while now_s - self._marks[0][0] > _RATE_WINDOW_S:
            self._marks.popleft()
        then_s, before = self._marks[0]
        return (count - before) / (now_s - then_s) if now_s > then_s else 0.0


@dataclass
class Progress:
    """Times are seconds since the command began."""

    folder: Path
    live_total: int
    began_s: float
    history_total: int = 0
    stage: Stage = Stage.STARTING
    history_sent: int = 0
    history_answered: int = 0
    events: int = 0
    recommendations: int = 0
    dead_letters: int = 0
    first_recommendation_s: float | None = None
    first_by_model_s: float | None = None
    ended_s: float | None = None
    trainer_says: str = ""
    swaps: list[Swap] = field(default_factory=list)
    titles: Mapping[str, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    scenes: deque[Scene] = field(default_factory=lambda: deque(maxlen=_USERS_SHOWN))
    latencies: Latencies = field(default_factory=Latencies)
    event_rate: Rate = field(default_factory=Rate)
    recommendation_rate: Rate = field(default_factory=Rate)
    _watched: dict[str, deque[str]] = field(default_factory=dict)
    _shown_at_s: float = 0.0

    def elapsed_s(self) -> float:
        """Since the command began, up to its end."""
        return (time.monotonic() - self.began_s) if self.ended_s is None else self.ended_s

    def title(self, item_id: str) -> str:
        """What people call it."""
        return self.titles.get(item_id, item_id)

    def watched(self, user_id: str, title: str) -> None:
        """A live event went out."""
        self._watched.setdefault(user_id, deque(maxlen=_WATCHED_SHOWN)).appendleft(title)

    def wants_scene(self, user_id: str) -> bool:
        """Whether a list of this user would be shown: not all of them, or nobody could read any."""
        return user_id in self._watched and time.monotonic() - self._shown_at_s > _SHOWN_EVERY_S

    def show(self, user_id: str, *, recommended: Iterable[str], because: Iterable[str]) -> None:
        """Show this list (item ids), in the place of the user's last one or of the oldest one."""
        self._shown_at_s = time.monotonic()
        scene = Scene(
            user_id=user_id,
            watched=tuple(self._watched[user_id]),
            recommended=tuple(map(self.title, recommended)),
            because=tuple(map(self.title, because)),
        )
        for place, shown in enumerate(self.scenes):
            if shown.user_id == user_id:
                self.scenes[place] = scene
                return
        self.scenes.append(scene)

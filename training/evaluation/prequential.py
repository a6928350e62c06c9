"""Test, then learn: every event of the newest part of a log is first guessed, then learnt from.

It is what a worker with `emit=each` does: the list that an event is judged by is made of its user's stored
history before it, for the moment of the event before it, by the worker's own code.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_app.domain.decoding import Interaction
from stream_app.domain.history import contains, extend
from training.dataset import HistoryRules
from training.evaluation.recommender import FrozenModel, Rival
from training.interactions import Interactions

PROTOCOL = "prequential"
_BATCH = 256
_RANKED = 100


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How one recommender did.

    user   int64 [events], codes; rank  int64 [events], 0 = not among the first 100
    `skipped` counts the events of the newest part that were not judged, by reason; `seconds` is its own time.
    """

    name: str
    user: NDArray[np.int64]
    rank: NDArray[np.int64]
    skipped: dict[str, int]
    seconds: float


def prequential(
    log: Interactions,
    *,
    first: int,
    rules: HistoryRules,
    models: Sequence[FrozenModel] = (),
    rivals: Sequence[Rival] = (),
) -> list[Judged]:
    """Judge `models` and `rivals` by the events from `first` on; what came before is history.

    Judged is every event of a positive type whose user has a history, and whose item is not in the stored
    window.
    """
    walk = _Walk(rules=rules, rivals=rivals)
    events = list(log.events())
    walk.remember(events[:first])
    for event in events[first:]:
        walk.judge(event)
        walk.remember([event])
    skipped = dict(walk.skipped)
    user = np.array(walk.user, dtype=np.int64)
    results = []
    for model in models:
        started = time.perf_counter()
        rank = _ranks(model, walk)
        results.append(
            Judged(
                name=model.name, user=user, rank=rank, skipped=skipped, seconds=time.perf_counter() - started
            )
        )
    for rival in rivals:
        rank = np.array(walk.rival_ranks[rival.name], dtype=np.int64)
        seconds = walk.rival_seconds[rival.name]
        results.append(Judged(name=rival.name, user=user, rank=rank, skipped=skipped, seconds=seconds))
    return results


@dataclass
class _Walk:
    """One pass over the log. Rivals answer at once; histories are kept, since models do not change on the
    way."""

    rules: HistoryRules
    rivals: Sequence[Rival]
    records: dict[bytes, bytes] = field(default_factory=dict)
    last_ms: dict[bytes, int] = field(default_factory=dict)
    user_codes: dict[bytes, int] = field(default_factory=dict)
    user: list[int] = field(default_factory=list)
    asked: list[tuple[bytes, int, int]] = field(
        default_factory=list
    )  # history, now, hash of the item that came
    skipped: Counter[str] = field(default_factory=Counter)
    rival_ranks: dict[str, list[int]] = field(default_factory=dict)
    rival_seconds: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rival_ranks = {rival.name: [] for rival in self.rivals}
        self.positive = frozenset(self.rules.positive_codes)

    def judge(self, event: Interaction) -> None:
        record = self.records.get(event.user)
        if event.type_code not in self.positive:
            self.skipped["not positive"] += 1
        elif record is None:
            self.skipped["no history"] += 1
        elif contains(record, event.item_hash):
            self.skipped["seen before"] += 1
        else:
            self.user.append(self.user_codes.setdefault(event.user, len(self.user_codes)))
            self.asked.append((record, self.last_ms[event.user], event.item_hash))
            for rival in self.rivals:
                started = time.perf_counter()
                given = list(rival.recommend(record, k=_RANKED))
                self.rival_seconds[rival.name] += time.perf_counter() - started  # type: ignore[assignment]
                rank = given.index(event.item_hash) + 1 if event.item_hash in given else 0
                self.rival_ranks[rival.name].append(rank)

    def remember(self, events: Sequence[Interaction]) -> None:
        by_user: dict[bytes, list[Interaction]] = {}
        for event in events:
            by_user.setdefault(event.user, []).append(event)
            for rival in self.rivals:
                rival.learn(event)
        for user, own in by_user.items():
            record = extend(
                self.records.get(user),
                own,
                epoch=0,
                limit=self.rules.history_limit,
                max_age_ms=self.rules.max_age_ms,
            )
            if record is not None:
                self.records[user], self.last_ms[user] = record, own[-1].timestamp_ms


def _ranks(model: FrozenModel, walk: _Walk) -> NDArray[np.int64]:
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(walk.asked), _BATCH):
        records, now_ms, hashes = zip(*walk.asked[start : start + _BATCH], strict=True)
        found.append(
            model.ranks(
                records, np.array(now_ms, dtype=np.int64), np.array(hashes, dtype=np.uint64), k=_RANKED
            )
        )
    return np.concatenate(found)

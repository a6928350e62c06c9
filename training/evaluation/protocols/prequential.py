"""Test, then learn: every event of the newest part of a log is first guessed, then learnt from.

It is what a worker with `emit=each` does: the list that an event is judged by is made of its user's stored
history before it, for the moment of the event before it, by the worker's own code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import contains, extend
from training.dataset import HistoryRules
from training.errors import NothingToJudge
from training.evaluation.histories import Histories
from training.evaluation.plan import Plan, Questions, Round, block_size
from training.evaluation.ragged import ragged_of
from training.interactions import Interactions

NAME = "prequential"
DEFINITION = (
    "Test, then learn. The newest {tested} of {events} events are taken in the order of the log; each is "
    "first judged, then added to its user's history by the worker's own code (the last {limit} events, "
    "none older than {days:g} days before the user's newest). Judged is every event of a positive type "
    "({positive}) whose user has a history and whose item {seen}. The list is the one that a worker would"
    " have given at the user's event before: from the history as it was then, for that moment. Models are"
    " fitted {fits} time(s), on all events before the first of as many equal parts of what is tested; the"
    " list is by the last fit before it, lists from before the first fit are by the first. What counts "
    "(popularity) counts every event up to the list's. All items that the model knows are ranked."
)
_SEEN = {
    False: "is not in that stored history; items of the stored history are left out",
    True: "the user has not taken before, stored or not; all items that the user took are left out",
}


def prequential(
    log: Interactions, *, newest: float, rules: HistoryRules, fits: int = 1, seen_all: bool = False
) -> Plan:
    """Rounds of equal size over the `newest` fraction of the log, as many as `fits`.

    `seen_all`: what left the stored window is not asked for either, nor recommended. Raises NothingToJudge
    where nothing is tested or judged, or nothing comes before it.
    """
    first = round(len(log) * (1.0 - newest))
    plan, skipped = _planned(log, first=first, rules=rules, fits=fits, seen_all=seen_all)
    if not plan.at_most:
        raise NothingToJudge(_nothing(skipped))
    return plan


def prequential_from(
    log: Interactions, *, first: int, rules: HistoryRules, fits: int = 1, seen_all: bool = False
) -> Plan:
    """As `prequential`, its newest part what comes from the place `first` on; it may hold no question."""
    return _planned(log, first=first, rules=rules, fits=fits, seen_all=seen_all)[0]


def _planned(
    log: Interactions, *, first: int, rules: HistoryRules, fits: int, seen_all: bool
) -> tuple[Plan, Counter[str]]:
    """The plan, and what it passes over."""
    if not 0 < first < len(log) or len(log) - first < fits:
        raise NothingToJudge(
            f"{len(log)} events leave {len(log) - first} to test and {first} before them, for {fits} fit(s); "
            "collect more events"
        )
    cuts = np.linspace(first, len(log), fits + 1).round().astype(np.int64).tolist()
    walk = _Walk(log, rules=rules, seen_all=seen_all)
    pairs, skipped = walk.pairs(first)
    plan = Plan(
        protocol=NAME,
        definition=DEFINITION.format(
            tested=len(log) - first,
            events=len(log),
            limit=rules.history_limit,
            days=rules.max_age_ms / 86_400_000,
            positive=", ".join(rules.positive_types),
            seen=_SEEN[seen_all],
            fits=fits,
        ),
        log=log,
        rounds=_rounds(walk, cuts, pairs, skipped),
        at_most=len(pairs),
        fits=fits,
        every_type=False,
        retrained_at_ms=tuple(int(log.timestamp_ms[cut]) for cut in cuts[:-1]),
    )
    return plan, skipped


def _nothing(skipped: Counter[str]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    remedy = "collect more events"
    if skipped["not positive"] == skipped.total():
        remedy = "set which types are positive, or from which rating on an event is one (--dislike-below)"
    return f"no event of the tested part can be judged ({reasons}); {remedy}"


def _rounds(walk: _Walk, cuts: list[int], pairs: NDArray[np.int64], skipped: Counter[str]) -> Iterator[Round]:
    given_at = pairs[:, 0]
    for start, stop in pairwise(cuts):
        begins = 0 if start == cuts[0] else start
        due = pairs[(given_at >= begins) & (given_at < stop)]
        yield Round(
            log=walk.log,
            learnt=slice(0, start),
            validated=slice(0, 0),
            tested=slice(start, stop),
            questions=walk.questions(due),
            skipped=skipped if start == cuts[0] else Counter(),
            moves=True,
        )


class _Walk:
    """What a worker would have stored at each moment of the log."""

    def __init__(self, log: Interactions, *, rules: HistoryRules, seen_all: bool) -> None:
        self.log = log
        self._rules, self._seen_all = rules, seen_all
        self._catalogue = Vocabulary(log.items)
        self._positive = frozenset(rules.positive_codes)
        self._events = list(log.events())
        self._done = 0

    def pairs(self, first: int) -> tuple[NDArray[np.int64], Counter[str]]:
        """Which list judges which event, int64 [n, 2]: the place of the event that the list was given at, and
        of the judged one, in the order of the first. What is not judged, by reason.
        """
        self._begin()
        found: list[tuple[int, int]] = []
        skipped = Counter[str]()
        for place, event in enumerate(self._events):
            if place >= first:
                reason = self._unfit(event)
                if reason is None:
                    found.append((self._last[event.user], place))
                else:
                    skipped[reason] += 1
            self._remember(place, event)
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        self._begin()
        return pairs[np.argsort(pairs[:, 0])], skipped

    def questions(self, pairs: NDArray[np.int64]) -> Iterator[Questions]:
        """The questions of these pairs, which follow those asked for before."""
        size = block_size(len(self.log.items))
        for start in range(0, len(pairs), size):
            block = pairs[start : start + size]
            records, taken = [], []
            for given_at in block[:, 0].tolist():
                for place in range(self._done, given_at + 1):
                    self._remember(place, self._events[place])
                self._done = given_at + 1
                user = self._events[given_at].user
                records.append(self._records[user])
                if self._seen_all:
                    taken.append(np.fromiter(self._taken[user], dtype=np.uint64))
            yield self._block(block, records, taken)

    def _begin(self) -> None:
        self._done = 0
        self._records: dict[bytes, bytes] = {}
        self._last: dict[bytes, int] = {}
        # Every item that a user took, in the order of the first time.
        self._taken: dict[bytes, dict[int, None]] = {}

    def _remember(self, place: int, event: Interaction) -> None:
        record = extend(
            self._records.get(event.user),
            [event],
            epoch=0,
            limit=self._rules.history_limit,
            max_age_ms=self._rules.max_age_ms,
        )
        if record is not None:
            self._records[event.user], self._last[event.user] = record, place
        if self._seen_all:
            self._taken.setdefault(event.user, {})[event.item_hash] = None

    def _unfit(self, event: Interaction) -> str | None:
        record = self._records.get(event.user)
        if event.type_code not in self._positive:
            return "not positive"
        if record is None:
            return "no history"
        held = self._seen_all and event.item_hash in self._taken[event.user]
        return "seen before" if held or contains(record, event.item_hash) else None

    def _block(
        self, pairs: NDArray[np.int64], records: Sequence[bytes], taken: Sequence[NDArray[np.uint64]]
    ) -> Questions:
        given_at, place = pairs[:, 0], pairs[:, 1]
        earlier = None
        if self._seen_all:
            earlier = ragged_of([self._catalogue.rows(hashes) - np.int32(1) for hashes in taken])
        histories = Histories(
            records=records,
            user=self.log.user[place],
            now_ms=self.log.timestamp_ms[given_at],
            context=None if self.log.context is None else self.log.context[given_at],
            catalogue=self._catalogue,
            earlier=earlier,
        )
        return Questions(histories=histories, target=self.log.item[place], place=place, given_at=given_at)

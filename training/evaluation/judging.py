"""Runs a plan: fits, asks, and keeps what was answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from training.evaluation.drawing import draw_unseen, ranks_among
from training.evaluation.judged import Asked, Judged
from training.evaluation.metrics import rank_of
from training.evaluation.plan import Plan, Questions, Round
from training.evaluation.recommender import Learner, NotApplicable, Probabilistic, Rater, Recommender
from training.interactions import Interactions

TIME_LIMIT_S = 1800.0
"""A recommender that would answer for longer is asked for a sample of the users."""

_MEASURED_S = 5.0
"""After this long it is known how fast a recommender is."""


def judge(
    plan: Plan,
    recommenders: Sequence[Recommender],
    *,
    k: int,
    seed: int = 0,
    sampled: int | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    say: Callable[[str], None] = lambda line: None,
    done: Callable[[int], None] = lambda questions: None,
    finished: Callable[[Round], None] = lambda round_: None,
) -> tuple[Asked, list[Judged]]:
    """Fit every recommender in every round and ask it every question, for lists of `k`.

    `sampled` ranks each target among so many drawn items, not the whole catalogue; no lists are kept then.
    `done` is told of each block how many questions it had, `finished` is given each round. What is drawn (a
    sample of users, items to compare with) depends on `seed` and the question alone.
    """
    asked = _AskedSoFar(plan.log)
    runs = [
        _Run(
            recommender,
            plan=plan,
            k=k if sampled is None else len(plan.log.items),
            seed=seed,
            sampled=sampled,
            time_limit_s=time_limit_s,
        )
        for recommender in recommenders
    ]
    for number, round_ in enumerate(plan.rounds, start=1):
        asked.begin(round_)
        for run in runs:
            run.fit(round_, number=number, say=say)
        left = round_.at_most
        for questions in round_.questions:
            first = asked.add(questions)
            for run in runs:
                run.answer(questions, first=first, left=left)
            left -= len(questions.target)
            done(len(questions.target))
        asked.skipped.update(round_.skipped)
        finished(round_)
    return asked.whole(), [run.judged() for run in runs]


@dataclass
class _AskedSoFar:
    log: Interactions
    blocks: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def begin(self, round_: Round) -> None:
        learnt = round_.training
        self.item_counts = np.bincount(learnt.item, minlength=len(self.log.items))
        self.user_counts = np.bincount(learnt.user, minlength=len(self.log.users))

    def add(self, questions: Questions) -> int:
        """Keep a block; returns the number of its first question."""
        histories, first = questions.histories, self.count
        lengths = histories.item.lengths
        popularity = np.bincount(
            histories.item.row, weights=self.item_counts[histories.item.values], minlength=len(lengths)
        )
        columns: dict[str, NDArray[Any]] = {
            "user": histories.user,
            "target": questions.target,
            "place": questions.place,
            "timestamp_ms": self.log.timestamp_ms[questions.place],
            "history_length": lengths,
            "item_count": self.item_counts[questions.target],
            "user_count": self.user_counts[histories.user],
            "history_popularity": popularity / np.maximum(lengths, 1),
        }
        for name, values in columns.items():
            self.blocks.setdefault(name, []).append(values)
        self.count += len(questions.target)
        return first

    def whole(self) -> Asked:
        types = {"user": np.int32, "target": np.int32, "history_popularity": np.float64}
        columns = {
            name: _joined(self.blocks.get(name, []), types.get(name, np.int64))
            for name in Asked.__dataclass_fields__
            if name not in ("item_counts", "skipped")
        }
        skipped = {reason: count for reason, count in self.skipped.items() if count}
        return Asked(**columns, item_counts=self.item_counts, skipped=skipped)


class _Run:
    """One recommender on its way through a plan."""

    def __init__(
        self,
        recommender: Recommender,
        *,
        plan: Plan,
        k: int,
        seed: int,
        sampled: int | None,
        time_limit_s: float,
    ) -> None:
        self._recommender, self._k, self._seed, self._sampled = recommender, k, seed, sampled
        self._time_limit_s = time_limit_s
        # Of positive events alone an error would say little.
        self._rates = plan.every_type and plan.log.rating is not None and isinstance(recommender, Rater)
        self._log, self._names = plan.log, plan.log.users
        self._reason: str | None = None
        self._fit_s = self._score_s = 0.0
        self._answered = 0
        self._share = 1.0
        self._learnt_until = 0
        self._users: list[NDArray[np.int32]] = []
        self._chosen: list[NDArray[np.int64]] = []
        self._lists: list[NDArray[np.int32]] = []
        self._ranks: list[NDArray[np.int64]] = []
        self._probabilities: list[NDArray[np.float64]] = []
        self._ratings: list[NDArray[np.float64]] = []

    def fit(self, round_: Round, *, number: int, say: Callable[[str], None]) -> None:
        if self._reason is not None:
            return
        started = time.perf_counter()
        try:
            self._recommender.fit(round_.training)
        except NotApplicable as error:
            self._reason = str(error)
            say(f"{self._recommender.name}: n/a, {error}")
        self._learnt_until = len(round_.training) if round_.moves else -1
        took_s = time.perf_counter() - started
        self._fit_s += took_s
        if took_s > 1.0:
            say(f"{self._recommender.name}: fit {number} on {len(round_.training):,} events, {took_s:.0f} s")

    def answer(self, questions: Questions, *, first: int, left: int) -> None:
        if self._reason is not None:
            return
        self._choose_share(left)
        chosen = np.flatnonzero(_in_sample(questions.histories.user, self._names, self._share))
        if not len(chosen):
            return
        part = questions if len(chosen) == len(questions.target) else _part(questions, chosen)
        started = time.perf_counter()
        lists = self._lists_for(part)
        self._score_s += time.perf_counter() - started
        self._answered += len(part.target)
        self._users.append(part.histories.user)
        self._chosen.append(first + chosen)
        if self._sampled is None:
            self._lists.append(lists)
            self._ranks.append(rank_of(lists, part.target))
        else:
            items = len(self._log.items)
            drawn = draw_unseen(part, items=items, count=self._sampled, seed=self._seed)
            self._lists.append(lists[:, :0])
            self._ranks.append(ranks_among(lists, part.target, drawn, items=items))
        if isinstance(self._recommender, Probabilistic):
            drawn = draw_unseen(part, items=len(self._log.items), count=1, seed=self._seed)
            # Who has seen everything is compared with the target itself: a tie.
            pair = np.concatenate(
                [part.target[:, None], np.where(drawn < 0, part.target[:, None], drawn)], axis=1
            )
            self._probabilities.append(self._recommender.probabilities(part.histories, pair))
        if self._rates and isinstance(self._recommender, Rater):
            self._ratings.append(self._recommender.ratings(part.histories.user, part.target))

    def _lists_for(self, part: Questions) -> NDArray[np.int32]:
        recommender = self._recommender
        if self._learnt_until < 0 or not isinstance(recommender, Learner):
            return recommender.recommend(part.histories, k=self._k)
        lists = np.empty((len(part.target), self._k), dtype=np.int32)
        for number, given_at in enumerate(part.given_at.tolist()):
            if given_at >= self._learnt_until:
                recommender.learn(self._log.part(self._learnt_until, given_at + 1))
                self._learnt_until = given_at + 1
            lists[number] = recommender.recommend(part.histories.one(number), k=self._k)[0]
        return lists

    def _choose_share(self, left: int) -> None:
        if self._share < 1.0 or self._score_s < _MEASURED_S:
            return
        expected_s = self._score_s * (1.0 + left / self._answered)
        if expected_s > self._time_limit_s:
            self._share = max(self._time_limit_s / expected_s, 0.001)

    def judged(self) -> Judged:
        user, chosen = _joined(self._users, np.int32), _joined(self._chosen, np.int64)
        rank = _joined(self._ranks, np.int64)
        lists = np.concatenate(self._lists) if self._lists else np.zeros((0, self._k), dtype=np.int32)
        # What was answered before the sample was drawn, of users who are not in it, does not count.
        kept = _in_sample(user, self._names, self._share)
        return Judged(
            name=self._recommender.name,
            user=user[kept],
            rank=rank[kept],
            lists=lists[kept],
            chosen=chosen[kept],
            seconds={"fit": round(self._fit_s, 3), "score": round(self._score_s, 3)},
            probabilities=np.concatenate(self._probabilities)[kept] if self._probabilities else None,
            ratings=np.concatenate(self._ratings)[kept] if self._ratings else None,
            sample=self._share if self._share < 1.0 else None,
            not_applicable=self._reason,
        )


def _in_sample(user: NDArray[np.int32], names: Sequence[str], share: float) -> NDArray[np.bool_]:
    if share >= 1.0:
        return np.ones(len(user), dtype=bool)
    drawn = (xxh3_64_intdigest(names[code].encode()) / 2**64 for code in user.tolist())
    return np.fromiter((place < share for place in drawn), dtype=bool, count=len(user))


def _part(questions: Questions, chosen: NDArray[np.int64]) -> Questions:
    return Questions(
        histories=questions.histories.some(chosen),
        target=questions.target[chosen],
        place=questions.place[chosen],
        given_at=questions.given_at[chosen],
    )


def _joined(blocks: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *blocks]).astype(kind, copy=False)

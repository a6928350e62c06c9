"""One recommender on its way through a plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from training.evaluation.drawing import draw_unseen, ranks_among
from training.evaluation.judged import Judged, joined
from training.evaluation.metrics import rank_of
from training.evaluation.plan import Plan, Questions, Round
from training.evaluation.recommender import Learner, NotApplicable, Probabilistic, Rater, Recommender
from training.interactions import Interactions

_MEASURED_S = 5.0
"""After this long it is known how fast a recommender is."""


class Contestant:
    """Fits, asks and keeps the answers; one that is too slow goes on with a sample of the users."""

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
        self._plan, self._log, self._names = plan, plan.log, plan.log.users
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

    def fit(self, round_: Round, training: Interactions, *, number: int, say: Callable[[str], None]) -> None:
        """Learn from `training`, that of the round; a reason why it cannot holds for all rounds."""
        if self._reason is not None:
            return
        started = time.perf_counter()
        try:
            if self._plan.users_are_new and getattr(self._recommender, "needs_known_users", False):
                raise NotApplicable("it has no vector for a user who did not train")
            self._recommender.fit(training)
        except NotApplicable as error:
            self._reason = str(error)
            say(f"{self._recommender.name}: n/a, {error}")
            return
        took_s = time.perf_counter() - started
        self._learnt_until = len(training) if round_.moves else -1
        self._fit_s += took_s
        if took_s > 1.0:
            say(f"{self._recommender.name}: fit {number} on {len(training):,} events, {took_s:.0f} s")
        self._rate(round_)

    def answer(self, questions: Questions, *, first: int, left: int) -> None:
        """Answer a block, whose first question has the number `first`; `left` are still to come, this block's
        too."""
        if self._reason is not None:
            return
        self._choose_share(left)
        chosen = np.flatnonzero(_in_sample(questions.histories.user, self._names, self._share))
        if not len(chosen):
            return
        part = questions.some(chosen)
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

    def _rate(self, round_: Round) -> None:
        log, recommender = self._log, self._recommender
        # Of positive events alone an error would say little.
        if not (self._plan.every_type and log.rating is not None and isinstance(recommender, Rater)):
            return
        tested, given = log.rows(round_.tested), log.rating[round_.tested]
        predicted = recommender.ratings(tested.user, tested.item)
        self._ratings.append(np.stack([predicted, given], axis=1)[~np.isnan(given)])

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
        """How it did."""
        user, chosen = joined(self._users, np.int32), joined(self._chosen, np.int64)
        rank = joined(self._ranks, np.int64)
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
            ratings=np.concatenate(self._ratings) if self._ratings else None,
            sample=self._share if self._share < 1.0 else None,
            not_applicable=self._reason,
        )


def _in_sample(user: NDArray[np.int32], names: Sequence[str], share: float) -> NDArray[np.bool_]:
    if share >= 1.0:
        return np.ones(len(user), dtype=bool)
    drawn = (xxh3_64_intdigest(names[code].encode()) / 2**64 for code in user.tolist())
    return np.fromiter((place < share for place in drawn), dtype=bool, count=len(user))

"""Runs a plan: fits, asks, and keeps what was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.evaluation.asking import AskedSoFar
from training.evaluation.contestant import Contestant
from training.evaluation.judged import Asked, Judged
from training.evaluation.plan import Plan, Round
from training.evaluation.recommender import Recommender

TIME_LIMIT_S = 1800.0
"""A recommender that would answer for longer is asked for a sample of the users."""


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
    `done` is told of each block how many questions it had, `finished` is given each round. Items that are
    drawn depend on `seed` and the question alone; how large a sample of users a slow recommender gets, on the
    time that it takes (`Judged.sample`), which users are in it on their ids alone.
    """
    asked = AskedSoFar(plan.log)
    k = k if sampled is None else len(plan.log.items)
    contestants = [
        Contestant(one, plan=plan, k=k, seed=seed, sampled=sampled, time_limit_s=time_limit_s)
        for one in recommenders
    ]
    for number, round_ in enumerate(plan.rounds, start=1):
        training = round_.training
        asked.begin(training)
        for one in contestants:
            one.fit(round_, training, number=number, say=say)
        del training
        for questions in round_.questions:
            left = plan.at_most - asked.count
            first = asked.add(questions)
            for one in contestants:
                one.answer(questions, first=first, left=left)
            done(len(questions.target))
        asked.skipped.update(round_.skipped)
        finished(round_)
    return asked.whole(), [one.judged() for one in contestants]

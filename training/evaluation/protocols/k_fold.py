"""Users whom no model has met are to be guessed from their histories."""

from __future__ import annotations

from collections import Counter

import numpy as np

from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Round
from training.evaluation.user_order import UserOrder
from training.interactions import Interactions

NAME = "k-fold"
DEFINITION = (
    "The users are dealt into {folds} folds (numpy's default generator, seed {seed}). For each fold the "
    "models learn from all events of the other users alone; the last event of each held-out user with at "
    "least two is the test, its history all that came before it, in the order of the log. Every event is "
    "an interaction, whatever its type. All items of the log are ranked, those of the history are left "
    "out. A test whose item is in its own history is not judged. What has a vector for each user fits one"
    " to the history, its items frozen."
)


def k_fold(log: Interactions, *, folds: int = 5, seed: int = 0) -> Plan:
    """As many rounds as folds. Raises NothingToJudge where fewer users than folds have two events."""
    order = UserOrder(log)
    several = np.diff(order.start) >= 2
    if several.sum() < folds:
        raise NothingToJudge(
            f"{int(several.sum())} users with two events are too few for {folds} folds; "
            "collect more events or ask for fewer"
        )
    fold = np.random.default_rng(seed).permutation(len(order.user_codes)) % folds
    again = order.repeated()
    if again[order.start[1:][several] - 1].all():
        raise NothingToJudge(
            "every user's last item is one that the user took before; nothing can be asked for"
        )
    fold_of_user = np.zeros(int(order.user_codes.max()) + 1, dtype=np.int64)
    fold_of_user[order.user_codes] = fold

    def round_of(number: int) -> Round:
        last = order.start[1:][several & (fold == number)] - 1
        judged = last[~again[last]]
        return Round(
            log=log,
            learnt=fold_of_user[log.user] != number,
            validated=slice(0, 0),
            tested=fold_of_user[log.user] == number,
            questions=order.blocks(judged),
            skipped=Counter(
                {
                    "users with one event": int((~several & (fold == number)).sum()),
                    "seen before": int(again[last].sum()),
                }
            ),
        )

    return Plan(
        protocol=NAME,
        definition=DEFINITION.format(folds=folds, seed=seed),
        log=log,
        rounds=(round_of(number) for number in range(folds)),
        at_most=int(several.sum()),
        fits=folds,
        users_are_new=True,
    )

"""The last item of every user is to be guessed from all before it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Round
from training.evaluation.user_order import UserOrder
from training.interactions import Interactions

NAME = "leave-one-out"
DEFINITION = (
    "Every event is an interaction, whatever its type. A user's events stand in the order of the log; of "
    "users with at least three, the last is the test, the one before it the validation, and neither is "
    "learnt from. The history of a test is all that came before it, the validation included. All items of"
    " the log are ranked, those of the history are left out. A test whose item is in its own history is "
    "not judged."
)
_LEAST_EVENTS = 3


def leave_one_out(log: Interactions) -> Plan:
    """One round (as SASRec, Kang and McAuley, 2018, ranked against the full catalogue).

    Raises NothingToJudge where no user has three events.
    """
    order = UserOrder(log)
    lengths = np.diff(order.start)
    last = order.start[1:][lengths >= _LEAST_EVENTS] - 1
    if not len(last):
        raise NothingToJudge(
            f"no user has {_LEAST_EVENTS} events: there is nothing to leave out; collect more events"
        )
    again = order.repeated()[last]
    judged = last[~again]
    if not len(judged):
        raise NothingToJudge(
            "every user's last item is one that the user took before; nothing can be asked for"
        )
    tested, validated = np.zeros((2, len(log)), dtype=bool)
    tested[order.place[last]] = validated[order.place[last - 1]] = True
    one = Round(
        log=log,
        learnt=~(tested | validated),
        validated=validated,
        tested=tested,
        questions=order.blocks(judged),
        skipped=Counter(
            {
                "users with fewer than three events": int((lengths < _LEAST_EVENTS).sum()),
                "seen before": int(again.sum()),
            }
        ),
    )
    return Plan(protocol=NAME, definition=DEFINITION, log=log, rounds=iter([one]), at_most=len(judged))

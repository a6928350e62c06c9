"""What came after a moment is to be guessed by what was learnt before it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Round
from training.evaluation.user_order import UserOrder
from training.interactions import Interactions

NAME = "temporal"
CORE = 5
DEFINITION = (
    "Global temporal split, successive. Every event is an interaction, whatever its type; users and items"
    " with fewer than {core} events are taken out until none is left. The cut is the 0.9 quantile of all "
    "timestamps; what is not after it is training, of which what is after its own 0.9 quantile is "
    "validation and {learnt}. Every event after the cut is a test, its history all that its user did "
    "before it, other tests included; a user's very first event has no history and is not judged. All "
    "items of training are ranked, those of the history are left out; a test of an item that is new since"
    " training counts, as a miss unless the model finds it. A test whose item is in its own history is "
    "not judged."
)
_QUANTILE = 0.9


def temporal(log: Interactions, *, core: int = CORE, with_validation: bool = False) -> Plan:
    """One round ("Time to Split", arXiv 2507.16289).

    `core` is what the log was filtered by, to say so; `with_validation` learns from the validation part
    too, which published figures do not. Raises NothingToJudge where the log has no times, or nobody comes
    back after the cut.
    """
    if not log.has_times:
        raise NothingToJudge(
            "all events have one time, so that there is no before and after; use --protocol leave-one-out"
        )
    times = log.timestamp_ms
    cut = np.quantile(times, _QUANTILE)
    learnt_until = np.quantile(times[times <= cut], _QUANTILE)
    order = UserOrder(log)
    after = log.timestamp_ms[order.place] > cut
    again = order.repeated() & after
    judged = np.flatnonzero(after & ~order.is_first & ~again)
    if not len(judged):
        raise NothingToJudge("nobody with a history comes back after the cut; collect more events")
    learnt = times <= (cut if with_validation else learnt_until)
    one = Round(
        log=log,
        learnt=learnt,
        validated=(times <= cut) & ~learnt,
        tested=times > cut,
        questions=order.blocks(judged),
        skipped=Counter({"no history": int((after & order.is_first).sum()), "seen before": int(again.sum())}),
    )
    said = DEFINITION.format(
        core=core, learnt="learnt from as well" if with_validation else "not learnt from"
    )
    return Plan(protocol=NAME, definition=said, log=log, rounds=iter([one]), at_most=len(judged))

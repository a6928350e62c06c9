"""The Netflix Prize's own hold-out: the ratings that probe.txt names are to be predicted from all others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.errors import NothingToJudge
from training.evaluation.plan import Plan, Round
from training.evaluation.user_order import UserOrder
from training.interactions import Interactions

NAME = "probe"
DEFINITION = (
    "The ratings of the pairs of user and item that probe.txt names are the tests, and are not learnt "
    "from; all others are. RMSE is over these ratings. For rankings, the history of a test is all that "
    "its user did before it, other tests included; a user's very first event has no history and is not "
    "judged. All items of training are ranked, those of the history are left out. A test whose item is in"
    " its own history is not judged."
)


def probe(log: Interactions, held_out: pl.DataFrame) -> Plan:
    """One round; `held_out` has the columns user_id and item_id (String).

    Raises NothingToJudge where none of these pairs is in the log with an event of its user before it.
    """
    order = UserOrder(log)
    tested = _marks(log, held_out)
    named = tested[order.place]
    again = order.repeated() & named
    judged = np.flatnonzero(named & ~order.is_first & ~again)
    if not len(judged):
        raise NothingToJudge(
            "no pair of probe.txt is in the log after another event of its user; name its own log"
        )
    one = Round(
        log=log,
        learnt=~tested,
        validated=slice(0, 0),
        tested=tested,
        questions=order.blocks(judged),
        skipped=Counter(
            {
                "pairs that are not in the log": len(held_out.unique()) - int((named & ~again).sum()),
                "no history": int((named & order.is_first).sum()),
                "seen before": int(again.sum()),
            }
        ),
    )
    return Plan(protocol=NAME, definition=DEFINITION, log=log, rounds=iter([one]), at_most=len(judged))


def _marks(log: Interactions, held_out: pl.DataFrame) -> NDArray[np.bool_]:
    """Which rows of the log are of one of the pairs, bool [n]."""
    names = {"user_id": log.users, "item_id": log.items}
    codes = held_out.select(
        pl.col(column).replace_strict(
            pl.Series(known), np.arange(len(known)), default=None, return_dtype=pl.Int64
        )
        for column, known in names.items()
    ).drop_nulls()
    pairs = codes["user_id"].to_numpy() * len(log.items) + codes["item_id"].to_numpy()
    return np.isin(log.user.astype(np.int64) * len(log.items) + log.item, pairs)

"""What is taken out of a log before anything else: sparse users and items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.errors import NothingToJudge
from training.interactions import Interactions


def core(log: Interactions, least: int) -> Interactions:
    """The `least`-core: users and items with fewer events are taken out, again and again, until none is left.

    Codes stay. Raises NothingToJudge where everything goes.
    """
    kept = log
    while True:
        enough = _frequent(kept.user, least) & _frequent(kept.item, least)
        if enough.all():
            break
        kept = kept.rows(enough)
    if not len(kept):
        raise NothingToJudge(f"no user and item have {least} events with each other; ask for a smaller core")
    return kept


def active_users(log: Interactions, least: int) -> Interactions:
    """The users with at least `least` events. Codes stay. Raises NothingToJudge where there is none."""
    kept = log.rows(_frequent(log.user, least))
    if not len(kept):
        raise NothingToJudge(f"no user has {least} events; ask for fewer")
    return kept


def compact(log: Interactions) -> Interactions:
    """The same log with codes for what occurs in it alone, in the order in which it first occurs."""
    users, user = _recoded(log.user, log.users)
    items, item = _recoded(log.item, log.items)
    return replace(log, users=users, items=items, user=user, item=item)


def _frequent(codes: NDArray[np.int32], least: int) -> NDArray[np.bool_]:
    return np.bincount(codes, minlength=1)[codes] >= least


def _recoded(codes: NDArray[np.int32], names: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    found, first, place = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    new_code = np.empty(len(found), dtype=np.int32)
    new_code[order] = np.arange(len(found), dtype=np.int32)
    return tuple(names[code] for code in found[order].tolist()), new_code[place]

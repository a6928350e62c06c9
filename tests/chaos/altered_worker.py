"""A worker with one thing about it altered: python -m tests.chaos.altered_worker ALTERATION

Faults that cannot be done to a process from outside, and the code as it was before a fault was found.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from stream_app import composition
from stream_app.cli import main
from stream_app.scoring import microbatch
from stream_app.streaming import answering, fencing, rewrites
from stream_app.streaming.lane import store

SHORT_SPAN_S = 30.0


def scoring_dies() -> None:
    """The scoring thread ends in the midst of its third batch."""
    batches, score = itertools.count(1), microbatch.score_pieces

    def score_twice(snapshot: Any, pieces: Sequence[Any]) -> Any:
        if next(batches) > 2:
            raise MemoryError("no room for another batch")
        return score(snapshot, pieces)

    microbatch.score_pieces = score_twice


def hasty() -> None:
    """A new owner writes once more after 30 s and not after two minutes: a test need not wait for so long."""
    composition.rewrite_span_s = lambda settings: SHORT_SPAN_S


def unfenced() -> None:
    """As it was before fencing.

    Nobody asks whether it still owns what it sends, nothing is written again, and a recovery takes the last
    record of a user for the newest.
    """
    fencing.Fence.fresh = property(lambda self: True)  # type: ignore[assignment, method-assign]
    fencing.Fence.enter = _enter_at_once  # type: ignore[method-assign]
    rewrites.Rewrites.note = lambda *about, **more: None  # type: ignore[method-assign, assignment]
    store.POSITIONS = {}


async def _enter_at_once(fence: fencing.Fence, generation: int) -> None:
    return None


def commits_by_the_clock() -> None:
    """A user with many uncommitted lists is no reason to commit."""
    answering.LISTS_BEFORE_COMMIT = sys.maxsize  # type: ignore[misc]


ALTERATIONS: dict[str, Callable[[], None]] = {
    "scoring-dies": scoring_dies,
    "hasty": hasty,
    "unfenced": unfenced,
    "commits-by-the-clock": commits_by_the_clock,
}


def command(alteration: str) -> list[str]:
    """What starts a worker altered so."""
    return [sys.executable, "-m", "tests.chaos.altered_worker", alteration]


if __name__ == "__main__":
    ALTERATIONS[sys.argv.pop(1)]()
    sys.argv.append("worker")
    main()

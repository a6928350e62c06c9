"""How fast live events go out: at the set speed, but never so fast that none are left for the next model."""

from __future__ import annotations

from enum import Enum

# Shares of the live events that may have gone out …
BEFORE_FIRST_MODEL = 0.2
"""… when the first model comes: it is to be judged by the rest."""
UNTIL_RETRAINING = 0.35
"""… when the retraining begins: it is to learn from something new."""
BEFORE_SECOND_MODEL = 0.7
"""… when the second model comes."""

PATIENCE_S = 60.0
"""About how long a model takes to train on two cores."""


class Stage(Enum):
    """What the demo waits for; the value is what it says so far."""

    STARTING = "starting the worker"
    FIRST_TRAINING = "the first model is being trained; trending answers meanwhile"
    SERVING = "the first model answers"
    RETRAINING = "the next model is being trained, on the events in Kafka"
    SWAPPED = "the next model answers"
    KEPT = "the next model was not good enough to go out; the first one answers"
    ENDING = "the last answers are coming in"


_SHARE = {Stage.FIRST_TRAINING: BEFORE_FIRST_MODEL, Stage.RETRAINING: BEFORE_SECOND_MODEL}


def events_per_second(stage: Stage, *, sent: int, total: int, at_most: float) -> float:
    """The rate right now.

    While a model is awaited, what may still go out before it comes is spread over a minute, again and again:
    events never stop and never run out, however long the training takes.
    """
    share = _SHARE.get(stage)
    if share is None:
        return at_most
    return min(at_most, max(total * share - sent, 0.0) / PATIENCE_S)

"""Whether a new model may go out: not worse than the one that serves, and better than popularity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.intervals import figure
from training.evaluation.judged import Judged
from training.evaluation.metrics import hits

LEAST_EVENTS = 30
"""With fewer judged events there is nothing to go by."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`reason` is one line with the figures."""

    passed: bool
    reason: str


def decide(
    candidate: Judged, *, current: Judged | None, popularity: Sequence[Judged], k: int = 10
) -> Decision:
    """Compare hit rates at k over the same events.

    Better than popularity: above each of them. Worse than the current model: below it, and the 95 % interval
    of the difference, drawn over users, does not reach 0; a smaller difference than that is chance.
    """
    events = len(candidate.rank)
    if events < LEAST_EVENTS:
        reason = f"only {events} events to judge by; at least {LEAST_EVENTS} are needed"
        return Decision(passed=False, reason=reason)
    rates = {judged.name: _rate(judged, k) for judged in popularity}
    best = max(rates, key=lambda name: rates[name])
    own = _rate(candidate, k)
    figures = f"hr@{k} {own:.4f}, {best} {rates[best]:.4f}"
    if current is not None:
        figures += f", current {current.name} {_rate(current, k):.4f}"
    figures += f", over {events} events"
    if own <= rates[best]:
        return Decision(passed=False, reason=f"not better than {best}: {figures}")
    if current is not None:
        difference = figure(hits(candidate.rank, k) - hits(current.rank, k), candidate.user)
        if difference.high < 0:
            interval = f"{difference.low:+.4f} to {difference.high:+.4f}"
            return Decision(passed=False, reason=f"worse than {current.name} by {interval}: {figures}")
    return Decision(passed=True, reason=figures)


def _rate(judged: Judged, k: int) -> float:
    return float(np.mean(hits(judged.rank, k)))

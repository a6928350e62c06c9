"""Which events are held out of training, to see after each epoch how well the others were learnt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.dataset import Sequences
from training.errors import TrainingError
from training.fit_config import FitConfig
from training.long_columns import smallest


def hold_out(sequences: Sequences, config: FitConfig) -> NDArray[np.bool_] | None:
    """A mask over the events, bool [n], or None without a validation.

    last    each user's last event, of users with two or more
    newest  the newest `validation_share` of the log by time, and what its users did after in order of arrival
    So nothing learns from an event after a held-out one of the same user: as input no held-out event is ever
    followed by a target. Raises TrainingError for `newest` where all events are at one time.
    """
    if config.validation == "none":
        return None
    start, held = sequences.start, np.zeros(len(sequences.row), dtype=bool)
    if config.validation == "last":
        held[start[1:][np.diff(start) > 1] - 1] = True
        return held
    times = sequences.timestamp_ms
    first = min(round(len(times) * (1.0 - config.validation_share)), len(times) - 1)
    from_ms = smallest(times, first)
    if from_ms == times.min():
        raise TrainingError(
            f"the newest {config.validation_share:g} of the log cannot be told from the rest by time; "
            "hold out each user's last event (validation last), or nothing (none)"
        )
    held |= times >= from_ms
    # Most users' clocks never go back: only the others need a second look.
    gaps = np.flatnonzero(held[:-1] & ~held[1:]) + 1
    for user in np.unique(np.searchsorted(start, gaps[~np.isin(gaps, start)], side="right") - 1):
        piece = slice(start[user], start[user + 1])
        held[piece] = np.logical_or.accumulate(held[piece])
    return held

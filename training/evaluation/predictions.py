"""Figures of what models predict as numbers: probabilities and ratings. Without events they are NaN, as where
a prediction is NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SURE = 1e-7
"""Probabilities are held this far from 0 and 1.

Models compute in 32-bit floats, which tell hardly less than this from 1.
"""


def auc(of_target: NDArray[np.float64], of_drawn: NDArray[np.float64]) -> float:
    """How probable it is that a target scores above a drawn unseen item, ties half: the area under the ROC.

    of_target  float64 [n], any scale
    of_drawn   float64 [m]

    (|target > drawn| + |target = drawn| / 2) / (n m) over all pairs, of different questions too: U / (n m) of
    Mann and Whitney ("On a test of whether one of two random variables is stochastically larger", 1947). So
    scores of different questions have to be comparable.
    """
    if not (len(of_target) and len(of_drawn)) or np.isnan(of_target).any() or np.isnan(of_drawn).any():
        return float("nan")
    drawn = np.sort(of_drawn)
    below = np.searchsorted(drawn, of_target, side="left")
    not_above = np.searchsorted(drawn, of_target, side="right")
    return float(np.mean((below + not_above) / (2.0 * len(drawn))))


def log_loss(of_target: NDArray[np.float64], of_drawn: NDArray[np.float64]) -> float:
    """−(Σ ln p(target) + Σ ln(1 − p(drawn))) / (n + m), in nats.

    of_target  float64 [n], probabilities of what was taken
    of_drawn   float64 [m], of what was not

    Probabilities are clipped to [SURE, 1 − SURE]: one that was sure and wrong costs 16 nats, not infinitely
    many. Always saying ½ costs ln 2 = .693. A model that was fitted to another share of items that were not
    taken than m / (n + m) is not calibrated for this one.
    """
    events = len(of_target) + len(of_drawn)
    if not events:
        return float("nan")
    taken = np.clip(of_target.astype(np.float64), SURE, 1.0 - SURE)
    left = np.clip(of_drawn.astype(np.float64), SURE, 1.0 - SURE)
    return float(-(np.log(taken).sum() + np.log1p(-left).sum()) / events)


def rmse(predicted: NDArray[np.float64], rated: NDArray[np.floating]) -> float:
    """√ mean (predicted − rated)², in the ratings' unit; both [n]."""
    if not len(predicted):
        return float("nan")
    return float(np.sqrt(np.mean(np.square(predicted - rated.astype(np.float64)))))

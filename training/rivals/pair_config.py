"""How a pair model is fitted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PairFit:
    """Numbers of the fit of vectors and network, and of a fold-in.

    width      numbers in a vector
    negatives  pairs that are drawn for each that was taken
    batch      taken pairs in a step of Adam
    spread     standard deviation of a vector's first values
    decay      times the squared length of each vector in a step, added to the loss of a taken pair
    fold_in_…  for a user who did not train: steps, taken pairs in each, and Adam's rate
    """

    width: int
    epochs: int
    negatives: int = 4
    batch: int = 4096
    rate: float = 0.01
    spread: float = 0.1
    decay: float = 0.0
    fold_in_steps: int = 30
    fold_in_batch: int = 16
    fold_in_rate: float = 0.1
    seed: int = 0

"""How far a fit is: what a checkpoint must tell beside weights and optimiser."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(kw_only=True)
class FitProgress:
    """Counts and curves of a fit, and nothing that needs torch.

    batches_done    of the epoch at hand
    expected_steps  of the whole fit, by which the learning rate falls
    step_losses     of the epoch at hand; `losses`, `ndcg`, `hit_rate` have a figure per finished epoch
    elapsed_s       of fitting, that of earlier processes too
    finished        nothing is left to do
    """

    epochs_done: int = 0
    batches_done: int = 0
    steps: int = 0
    expected_steps: int = 0
    step_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)
    hit_rate: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    finished: bool = False

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the highest NDCG@10, from 1, the first of equals; None without a validation."""
        return int(np.argmax(self.ndcg)) + 1 if self.ndcg else None

    def end_epoch(self) -> float:
        """Take the epoch at hand for finished and return its mean loss."""
        self.losses.append(float(np.mean(self.step_losses)))
        self.step_losses.clear()
        self.epochs_done, self.batches_done = self.epochs_done + 1, 0
        return self.losses[-1]

    def is_stale(self, patience: int | None) -> bool:
        """Whether `patience` epochs have gone by without a better NDCG@10."""
        best = self.best_epoch
        return patience is not None and best is not None and self.epochs_done - best >= patience

    def state(self) -> dict[str, Any]:
        """Plain values, to be stored."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Be as `state` says."""
        for name, value in state.items():
            setattr(self, name, value)

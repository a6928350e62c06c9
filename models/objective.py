"""What a model is trained for: one of the losses, with the negatives that it needs."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from models.losses import (
    binary_cross_entropy,
    full_softmax_cross_entropy,
    sampled_softmax_cross_entropy,
)

_FLATTENED = 0.75
"""Negatives are drawn by this power of how often an item is taken (Mikolov et al., 2013)."""


class Objective(Protocol):
    """States and the catalogue in, a loss out; shapes as in `models.losses`."""

    def __call__(
        self, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor: ...


class FullSoftmax(nn.Module):
    """Over every item: the best there is, as long as [positions, V] scores can be paid for."""

    def __init__(self, *, smoothing: float = 0.0) -> None:
        super().__init__()
        self._smoothing = smoothing

    def forward(
        self, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor:
        """As of `Objective`."""
        return full_softmax_cross_entropy(states, vectors, bias, targets, weights, smoothing=self._smoothing)


class SampledSoftmax(nn.Module):
    """Over `negatives` items drawn anew for each batch, all its positions alike.

    counts  float [V], how often each item is taken in the log; an item is drawn by (count + 1) ^ 0.75
    """

    log_q: Tensor
    cumulative: Tensor

    def __init__(self, counts: Tensor, *, negatives: int) -> None:
        super().__init__()
        # In double precision: a million small shares must sum to 1.
        share = (counts.double() + 1.0) ** _FLATTENED
        share = share / share.sum()
        self._negatives = negatives
        self.register_buffer("log_q", share.log().float(), persistent=False)
        self.register_buffer("cumulative", share.cumsum(0), persistent=False)

    def forward(
        self, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor:
        """As of `Objective`."""
        # torch.multinomial takes no more than 2²⁴ items.
        drawn = torch.rand(self._negatives, dtype=torch.float64, device=states.device)
        negatives = torch.searchsorted(self.cumulative, drawn).clamp(max=len(self.log_q) - 1)
        return sampled_softmax_cross_entropy(
            states, vectors, bias, targets, weights, negatives=negatives, log_q=self.log_q
        )


class Binary(nn.Module):
    """Each target against `negatives` items of its own, drawn evenly."""

    def __init__(self, *, negatives: int = 1) -> None:
        super().__init__()
        self._negatives = negatives

    def forward(
        self, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor:
        """As of `Objective`."""
        shape = (len(targets), self._negatives)
        negatives = torch.randint(0, len(vectors), shape, device=states.device)
        return binary_cross_entropy(states, vectors, bias, targets, weights, negatives=negatives)

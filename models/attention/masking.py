"""Softmax under a mask, safe where nothing is left."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED = -1e4
"""Added to scores that are masked out. −1e9 is −inf in half precision, and makes such a row not-a-number."""


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Weights over the last dimension that are exactly 0 where `allowed` is 0; it is 1 elsewhere.

    The mask is applied twice: after the softmax the weights are multiplied by it once more. A row that may
    attend to nothing is then zeros, where it would else be uniform over padding.
    """
    return torch.softmax(scores + (1.0 - allowed) * MASKED, dim=-1) * allowed

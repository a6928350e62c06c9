"""Dropout that draws its numbers fast on a CPU."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Sets a share of `p` of the numbers to 0 in training, and scales the others up. Srivastava et al., 2014.

    torch draws 64 random bits for each number, one after the other: a fifteenth of a whole training step on a
    CPU. Here 16 do, so that `p` is a multiple of 1 / 65,536. On a GPU it is torch's.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape → the same shape."""
        if not self.training or not self.p or x.device.type != "cpu":
            return F.dropout(x, self.p, self.training)
        words = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64).random_(-(1 << 63), None)
        drawn = words.view(torch.int16)[: x.numel()].view(x.shape)
        dropped = min(round(self.p * _LEVELS), _LEVELS - 1)
        kept = (drawn >= dropped - _LEVELS // 2).to(x.dtype)
        return x * kept.mul_(_LEVELS / (_LEVELS - dropped))

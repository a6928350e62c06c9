"""What the processes of one fit tell each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def mean_over_ranks(loss: Tensor, weight: Tensor, *, ranks: int) -> tuple[Tensor, float]:
    """A loss to go back from, and its value over the whole batch, of which this rank has a share.

    `loss` is a mean by the rank's own weights, `weight` their sum. DDP takes the mean of the ranks'
    gradients: times ranks × own weight / all weights, that is the gradient of the mean over the whole batch.
    """
    sums = torch.stack([weight, weight * loss.detach()])
    torch.distributed.all_reduce(sums)
    total = sums[0].clamp(min=1e-9)
    return loss * (weight / total * ranks), float(sums[1] / total)


def of_every_rank(own: Any, *, ranks: int) -> list[Any]:
    """What each rank gave, in their order; every rank gets all of it."""
    if ranks == 1:
        return [own]
    gathered: list[Any] = [None] * ranks
    torch.distributed.all_gather_object(gathered, own)
    return gathered

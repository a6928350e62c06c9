"""Which pairs of events attention compares: each query with the keys up to it, in stripes.

Of the L² pairs of a history a causal attention needs half. Queries are taken some at a time, each lot with no
more keys than its last query may see: with 4 stripes five eighths of L² are computed, and what each computes
fits a core's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STRIPE = 64
"""Queries at a time, at most. Served on a CPU at L = 200, 4 stripes of 50 are a quarter faster than one of
200, and as fast as 2 or 5."""


class Stripe(NamedTuple):
    """Some queries one after the other, and the keys from the first to the last query.

    queries, keys  places in the history: Q and K of them
    allowed        float32 [batch, 1, Q, K], 1 where a query may see a key, else 0
    elapsed        float32 [batch, 1, Q, K], log1p of the seconds from key to query; zeros that take no memory
                   where the attention does not know times
    """

    queries: slice
    keys: slice
    allowed: Tensor
    elapsed: Tensor


def causal_stripes(
    real: Tensor, time_deltas: Tensor, *, timed: bool, asked: Tensor | None = None
) -> list[Stripe]:
    """Every place asks, each at its own event's time unless `asked` says when.

    real                float32 [batch, L], 0 where there is padding
    time_deltas, asked  float32 [batch, L], seconds before one moment, the same for all
    """
    asked = time_deltas if asked is None else asked
    length = real.shape[1]
    count = -(-length // STRIPE)
    size = -(-length // count)
    causal = torch.ones(length, length, device=real.device, dtype=real.dtype).tril()
    stripes = []
    for start in range(0, length, size):
        stop = min(start + size, length)
        queries, keys = slice(start, stop), slice(0, stop)
        allowed = causal[queries, keys] * real[:, None, None, keys]
        if timed:
            # As log1p, in one pass less; in float32, as the deltas are: to a second over half a year.
            later = (time_deltas + 1.0)[:, None, None, keys] - asked[:, None, queries, None]
            elapsed = later.clamp(min=1.0).log()
        else:
            elapsed = _no_times(allowed)
        stripes.append(Stripe(queries, keys, allowed, elapsed))
    return stripes


def newest_stripe(real: Tensor, time_deltas: Tensor, *, timed: bool) -> list[Stripe]:
    """The last place alone asks, at the moment that the deltas are from."""
    length = real.shape[1]
    allowed = real[:, None, None, :]
    elapsed = torch.log1p(time_deltas.clamp(min=0.0))[:, None, None, :] if timed else _no_times(allowed)
    return [Stripe(slice(length - 1, length), slice(0, length), allowed, elapsed)]


def _no_times(allowed: Tensor) -> Tensor:
    return allowed.new_zeros(()).expand(1, 1, *allowed.shape[2:])

"""What is known of a pair of events before looking at them: how far apart they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.pairs import Stripe

LOG_SCALE = 0.1
"""log1p of seconds reaches 17 after a year; scaled so, it stays near 1 like everything else."""


class RelativeBias(nn.Module):
    """A bias for the places between two events, and one for the time between them, for each head.

    Relative position representations (Shaw et al., 2018) in their additive form, and a time bias as of HSTU
    (Zhai et al., 2024), here as a curve of the logarithm of the time instead of a table of its buckets: a
    head's interest changes with the time gone by (slope), and so does the change itself (curve). All start at
    0, where nothing is preferred. Without `timed` the places alone count.
    """

    distance: Tensor

    def __init__(self, *, heads: int, max_length: int, timed: bool) -> None:
        super().__init__()
        self.timed = timed
        if timed:
            self.time_slope = nn.Parameter(torch.zeros(heads, 1, 1))
            self.time_curve = nn.Parameter(torch.zeros(heads, 1, 1))
        self.distance_prior = nn.Parameter(torch.zeros(heads, max_length))
        place = torch.arange(max_length)
        self.register_buffer("distance", (place[:, None] - place).clamp(min=0), persistent=False)

    def forward(self, stripe: Stripe) -> Tensor:
        """The prior of its pairs, [batch or 1, heads, Q, K]."""
        by_place = self.distance_prior[:, self.distance[stripe.queries, stripe.keys]]
        if not self.timed:
            return by_place[None]
        # The factors are scaled, not the logarithms.
        slope, curve = self.time_slope * LOG_SCALE, self.time_curve * LOG_SCALE**2
        return stripe.elapsed * (slope + curve * stripe.elapsed) + by_place

"""What every attention mechanism is to the rest: queries and keys in, weights out."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Mechanism(Protocol):
    """One head's rule; heads are a dimension like the batch."""

    compares_by_products: bool
    """Whether it knows queries and keys by their products alone. Then they may come in another space where
    these are the same: of another width than d, and with keys that all heads share, [batch, 1, L, width]."""

    def __call__(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> Tensor:
        """Weights [batch, heads, Q, L] by which the values are mixed: weights @ values.

        queries  [batch, heads, Q, d]
        keys     [batch, heads, L, d]
        allowed  [batch or 1, 1, Q, L], 1 where a query may see a key, else 0; there the weight is exactly 0
        prior    [batch or 1, heads, Q, L], what is known of the pair without looking at the two
        """
        ...

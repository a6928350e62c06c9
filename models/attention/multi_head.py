"""Several heads of one mechanism side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.attention.mechanism import Mechanism
from models.encoder_config import head_width
from models.pairs import Stripe


class MultiHead(nn.Module):
    """Heads, each with projections of its own to d / heads. Vaswani et al., 2017, section 3.2.2."""

    mechanism: Mechanism

    def __init__(self, mechanism: Callable[[int], Mechanism], *, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        # Without a bias: the norm before has one.
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.output = nn.Linear(width, width)
        self.heads = heads
        self.mechanism = mechanism(head_width(width, heads))

    def forward(
        self, x: Tensor, stripes: Sequence[Stripe], prior: Callable[[Stripe], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Attend among states [batch, L, d], from the places of the stripes on; `prior` as of `Mechanism`.

        Returns the mixture [batch, Q, d] of all Q queries, and the last one's weights [batch, heads, 1, L].
        """
        q = split_heads(self.query(x[:, stripes[0].queries.start :]), self.heads)
        if q.shape[2] == 1 and self.mechanism.compares_by_products:
            mixed, weights = self._one_query(q, x, stripes[0].allowed, prior(stripes[0]))
        else:
            k, v = (split_heads(part, self.heads) for part in self.key_value(x).chunk(2, dim=-1))
            mixed, weights = attend_by_stripes(self.mechanism, q, k, v, stripes, prior)
        return self.output(mixed), weights

    def _one_query(self, query: Tensor, x: Tensor, allowed: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """For one query [batch, heads, 1, d / heads] the projections are its own, not those of L states:
        q · (W x) = (Wᵀ q) · x, and Σ w (W x) = W Σ w x. DeepSeek-AI, DeepSeek-V2, 2024, section 2.1.2."""
        shape = 2, self.heads, query.shape[-1], x.shape[-1]
        key, value = self.key_value.weight.reshape(shape)  # each [heads, d / heads, d]
        states = x[:, None]  # [batch, 1, L, d], the same for all heads
        weights = self.mechanism(query @ key, states, allowed, prior)
        return join_heads(weights @ states @ value.transpose(1, 2)), weights


def attend_by_stripes(
    mechanism: Mechanism,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    stripes: Sequence[Stripe],
    prior: Callable[[Stripe], Tensor],
) -> tuple[Tensor, Tensor]:
    """queries [batch, heads, Q, d / heads]; keys and values [batch, heads, L, d / heads] → as of `MultiHead`,
    [batch, Q, d] and [batch, heads, 1, L]."""
    mixed, first = [], stripes[0].queries.start
    for stripe in stripes:
        asking = queries[:, :, stripe.queries.start - first : stripe.queries.stop - first]
        weights = mechanism(asking, keys[:, :, stripe.keys], stripe.allowed, prior(stripe))
        mixed.append(weights @ values[:, :, stripe.keys])
    return join_heads(torch.cat(mixed, dim=2)), weights[:, :, -1:]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, n, d] → [batch, heads, n, d / heads]"""
    return x.reshape(-1, x.shape[1], heads, x.shape[2] // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[batch, heads, n, d / heads] → [batch, n, d]"""
    return x.transpose(1, 2).reshape(-1, x.shape[2], x.shape[1] * x.shape[3])

"""Several heads of one mechanism side by side."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from models.attention.mechanism import Mechanism
from models.encoder_config import head_width


class MultiHead(nn.Module):
    """Heads, each with projections of its own to d / heads. Vaswani et al., 2017, section 3.2.2."""

    mechanism: Mechanism

    def __init__(self, mechanism: Callable[[int], Mechanism], *, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.heads = heads
        self.mechanism = mechanism(head_width(width, heads))

    def forward(self, queries: Tensor, keys: Tensor, allowed: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from `queries` [batch, Q, d] to `keys` [batch, L, d]; `allowed` and `prior` as of
        `Mechanism`.

        Returns the mixture [batch, Q, d] and the weights [batch, heads, Q, L].
        """
        q = split_heads(self.query(queries), self.heads)
        k, v = (split_heads(part, self.heads) for part in self.key_value(keys).chunk(2, dim=-1))
        weights = self.mechanism(q, k, allowed, prior)
        return self.output(join_heads(weights @ v)), weights


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, n, d] → [batch, heads, n, d / heads]"""
    return x.reshape(-1, x.shape[1], heads, x.shape[2] // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[batch, heads, n, d / heads] → [batch, n, d]"""
    return x.transpose(1, 2).reshape(-1, x.shape[2], x.shape[1] * x.shape[3])

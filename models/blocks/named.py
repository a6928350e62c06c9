"""The attention family by name: one setting of the encoder."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from models.attention.additive import Additive
from models.attention.gated import Gated
from models.attention.hard import Hard
from models.attention.mechanism import Mechanism
from models.attention.scaled_dot_product import ScaledDotProduct
from models.blocks.gated_residual import GatedResidualBlock
from models.blocks.pointwise import PointwiseBlock
from models.encoder_config import Attention

_MECHANISMS: dict[Attention, Callable[[int], Mechanism]] = {
    "scaled-dot-product": ScaledDotProduct,
    "additive": Additive,
    "gated": Gated,
    "hard": Hard,
    "relative-time": ScaledDotProduct,
}


def block(name: Attention, *, width: int, heads: int, max_length: int, dropout: float) -> nn.Module:
    """A block with that attention. All know the order of events; the time between them is for
    "relative-time" and "pointwise". Raises ValueError for another name."""
    if name == "pointwise":
        return PointwiseBlock(width=width, heads=heads, max_length=max_length, dropout=dropout)
    if name not in _MECHANISMS:
        raise ValueError(f"no attention {name!r}; there are {', '.join((*_MECHANISMS, 'pointwise'))}")
    return GatedResidualBlock(
        _MECHANISMS[name],
        width=width,
        heads=heads,
        max_length=max_length,
        dropout=dropout,
        timed=name == "relative-time",
    )

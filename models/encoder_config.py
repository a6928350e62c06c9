"""The encoder's sizes and choices; told without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from models.bundle.context import context_columns

Attention = Literal["scaled-dot-product", "additive", "gated", "hard", "relative-time", "pointwise"]
"""The first four compare events in their own way and know their order; "relative-time" is the scaled
dot-product that also knows the time between them; "pointwise" is HSTU's block."""

QueryTime = Literal["event", "target"]
"""When a position asks for the next item: at its own event, as a worker does, or at the moment of its target,
which is known afterwards alone (HSTU's published figures are of this kind)."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """`max_length` is L, `width` is d.

    `context` names the fields of an event's context that the model hears of, besides the hour and the
    weekday: () for these two alone, None for no context at all. A model of the query time "target" is for
    comparing, it is not exported. Raises ValueError for sizes that cannot be.
    """

    max_length: int = 50
    width: int = 64
    blocks: int = 1
    heads: int = 2
    dropout: float = 0.2
    attention: Attention = "relative-time"
    context: tuple[str, ...] | None = None
    query_time: QueryTime = "event"

    def __post_init__(self) -> None:
        for name in ("max_length", "width", "blocks", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        head_width(self.width, self.heads)
        if self.query_time not in get_args(QueryTime):
            raise ValueError(f"no query time {self.query_time!r}; there are {', '.join(get_args(QueryTime))}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout:g}; it must be at least 0 and below 1")

    @property
    def is_timed(self) -> bool:
        """Whether the attention knows how much time lies between two events."""
        return self.attention in ("relative-time", "pointwise")

    @property
    def context_columns(self) -> int:
        """C, the columns of the context; 0 without one."""
        return context_columns(self.context)


def head_width(width: int, heads: int) -> int:
    """d / heads. Raises ValueError where that is no whole number."""
    if width % heads:
        raise ValueError(f"width {width} cannot be cut into {heads} heads; choose a multiple of the heads")
    return width // heads

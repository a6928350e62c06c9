"""The encoder's sizes and choices; told without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.bundle.context import MOMENT_COLUMNS

Attention = Literal["scaled-dot-product", "additive", "gated", "hard", "relative-time", "pointwise"]
"""The first four compare events in their own way and know their order; "relative-time" is the scaled
dot-product that also knows the time between them; "pointwise" is HSTU's block."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """`max_length` is L, `width` is d.

    `context` names the fields of an event's context that the model hears of, besides the hour and the
    weekday: () for these two alone, None for no context at all.
    """

    max_length: int = 50
    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.3
    attention: Attention = "relative-time"
    context: tuple[str, ...] | None = None

    @property
    def context_columns(self) -> int:
        """C, the columns of the context; 0 without one."""
        return 0 if self.context is None else MOMENT_COLUMNS + len(self.context)

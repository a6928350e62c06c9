"""Sizes of models with the settings that fit them; told without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from training.fit_config import FitConfig

if TYPE_CHECKING:
    from models.encoder_config import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """An encoder's sizes, as of `EncoderConfig`, and how it is fitted."""

    max_length: int
    width: int
    blocks: int
    heads: int
    dropout: float
    fit: FitConfig = field(default_factory=FitConfig)

    def encoder(self) -> EncoderConfig:
        """The sizes as the encoder takes them; imports torch."""
        from models.encoder_config import EncoderConfig

        return EncoderConfig(
            max_length=self.max_length,
            width=self.width,
            blocks=self.blocks,
            heads=self.heads,
            dropout=self.dropout,
        )


DEFAULT = "small"

PRESETS: dict[str, Preset] = {
    # A demo's: seconds on one core.
    "small": Preset(max_length=50, width=64, blocks=2, heads=2, dropout=0.3),
    # One core over night, or a GPU for minutes.
    "base": Preset(
        max_length=200,
        width=128,
        blocks=2,
        heads=4,
        dropout=0.3,
        fit=FitConfig(epochs=30, batch_size=64, learning_rate=1e-3, validation="newest", patience=4),
    ),
    # A GPU's.
    "large": Preset(
        max_length=200,
        width=256,
        blocks=6,
        heads=8,
        dropout=0.3,
        fit=FitConfig(epochs=60, batch_size=128, learning_rate=1e-3, validation="newest", patience=6),
    ),
}

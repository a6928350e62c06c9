"""Sizes of models with the settings that fit them; told without torch."""

from __future__ import annotations

from models.encoder_config import EncoderConfig
from training.fit_config import FitConfig
from training.model_settings import ModelSettings

DEFAULT = "small"

PRESETS: dict[str, ModelSettings] = {
    # A demo's: seconds on one core.
    "small": ModelSettings(EncoderConfig(), FitConfig()),
    # An hour on one core, minutes on a GPU.
    "base": ModelSettings(
        EncoderConfig(max_length=200, width=64, blocks=2, heads=2, dropout=0.3),
        FitConfig(
            epochs=30, batch_size=64, group_lengths=True, learning_rate=2e-3, validation="newest", patience=4
        ),
    ),
    # A GPU's.
    "large": ModelSettings(
        EncoderConfig(max_length=200, width=256, blocks=6, heads=8, dropout=0.3),
        FitConfig(
            epochs=60, batch_size=128, group_lengths=True, learning_rate=1e-3, validation="newest", patience=6
        ),
    ),
}

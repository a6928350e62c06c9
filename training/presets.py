"""Sizes of models with the settings that fit them; told without torch."""

from __future__ import annotations

from models.encoder_config import EncoderConfig
from training.fit_config import FitConfig
from training.model_settings import ModelSettings

DEFAULT = "small"

PRESETS: dict[str, ModelSettings] = {
    # A demo's: a minute on one core.
    "small": ModelSettings(EncoderConfig(), FitConfig()),
    # Half an hour on one core, minutes on a GPU.
    "base": ModelSettings(
        EncoderConfig(max_length=200, width=64, blocks=2, heads=2, dropout=0.2),
        FitConfig(
            epochs=15,
            batch_size=16,
            group_lengths=True,
            learning_rate=2e-3,
            item_fields_rate=0.1,
            validation="newest",
            patience=4,
        ),
    ),
    # A GPU's.
    "large": ModelSettings(
        EncoderConfig(max_length=200, width=256, blocks=6, heads=8, dropout=0.3),
        FitConfig(
            epochs=40, batch_size=32, group_lengths=True, learning_rate=1e-3, validation="newest", patience=6
        ),
    ),
}

"""Settings of a model, as text."""

from __future__ import annotations

from typing import Any

import pytest

from models.encoder_config import EncoderConfig
from training.errors import TrainingError
from training.fit_config import FitConfig
from training.model_settings import ModelSettings, with_settings

DEFAULTS = ModelSettings(EncoderConfig(), FitConfig())


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("width=128", 128),
        ("dropout=.2", 0.2),
        ("attention=hard", "hard"),
        ("context=moment,device", ("device",)),
        ("context=moment", ()),
        ("context=none", None),
        ("loss=binary", "binary"),
        ("type_weights=purchase:3,dislike:-0.5", (("purchase", 3.0), ("dislike", -0.5))),
        ("group_lengths=true", True),
        ("recency_half_life_days=none", None),
        ("validation=none", "none"),
        ("seconds=5", 5.0),
    ],
)
def test_every_kind_of_value_can_be_written(assignment: str, value: Any) -> None:
    encoder, fit = with_settings(DEFAULTS, [assignment])
    name = assignment.partition("=")[0]
    assert (getattr(encoder, name) if hasattr(encoder, name) else getattr(fit, name)) == value


def test_several_are_taken_together() -> None:
    encoder, fit = with_settings(DEFAULTS, ["heads=3", "width=48", "epochs=2"])
    assert (encoder.heads, encoder.width, fit.epochs) == (3, 48, 2)
    assert with_settings(DEFAULTS, []) == DEFAULTS


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("width", "'width' is no NAME=VALUE"),
        ("depth=3", "no setting 'depth'; there are max_length, width"),
        ("attention=foo", "attention=foo: there are scaled-dot-product, additive, gated"),
        ("epochs=x", "epochs=x: expected `int`, got `str`"),
        ("heads=3", "width 64 cannot be cut into 3 heads; choose a multiple of the heads"),
        ("blocks=0", "blocks is 0; it must be at least 1"),
        ("dropout=1", "dropout is 1; it must be at least 0 and below 1"),
        ("type_weights=x", "type_weights=x: expected `float`"),
        ("type_weights=click:nan", "the weight of click is nan; it must be a number"),
        ("epochs=0", "epochs is 0; it must be at least 1"),
        ("batch_size=0", "batch_size is 0; it must be at least 1"),
        ("learning_rate=0", "learning_rate is 0; it must be above 0"),
        ("learning_rate=nan", "learning_rate is nan; it must be above 0"),
        ("recency_half_life_days=-1", "recency_half_life_days is -1; it must be above 0"),
        ("validation_share=1.5", "validation_share is 1.5; it must be between 0 and 1"),
        ("label_smoothing=1", "label_smoothing is 1; it must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(assignment: str, reason: str) -> None:
    with pytest.raises(TrainingError) as told:
        with_settings(DEFAULTS, [assignment])
    assert str(told.value).startswith(reason) and "\n" not in str(told.value)

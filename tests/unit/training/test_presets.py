"""Presets, and what goes before them."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args

import pytest

from models.encoder import EncoderConfig
from stream_app.cli import fit_options
from stream_app.cli.training_parts import PresetName, configs, with_options
from stream_app.settings import Settings
from training.dataset import HistoryRules
from training.fit_config import FitConfig, Precision, Validation
from training.presets import DEFAULT, PRESETS


def test_the_smallest_is_the_default_of_everything() -> None:
    small = PRESETS[DEFAULT]
    assert DEFAULT == "small" and small.fit == FitConfig()
    assert small.encoder() == EncoderConfig()
    assert small.max_length == HistoryRules().max_length


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_presets_encoder_can_be_made_and_reads_what_the_histories_give(name: str) -> None:
    preset = PRESETS[name]
    sizes = asdict(preset.encoder())
    assert sizes | {key: value for key, value in asdict(preset).items() if key != "fit"} == sizes
    assert preset.width % preset.heads == 0
    rules, fit = configs(Settings(), preset=PresetName(name), epochs=None, seconds=None, seed=0)
    assert (rules.max_length, fit) == (preset.max_length, preset.fit)
    assert preset.max_length <= rules.history_limit


def test_an_option_goes_before_the_preset() -> None:
    _, fit = configs(Settings(), preset=PresetName.base, epochs=7, seconds=None, seed=3)
    assert (fit.epochs, fit.seed, fit.batch_size) == (7, 3, PRESETS["base"].fit.batch_size)
    chosen = with_options(fit, {"batch_size": 9, "validation": "none", "learning_rate": None})
    assert (chosen.batch_size, chosen.validation) == (9, "none")
    assert chosen.learning_rate == PRESETS["base"].fit.learning_rate


def test_the_command_line_knows_every_name() -> None:
    assert [name.value for name in PresetName] == list(PRESETS)
    assert [one.value for one in fit_options.Validation] == list(get_args(Validation))
    assert [one.value for one in fit_options.Precision] == list(get_args(Precision))

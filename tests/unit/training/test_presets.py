"""Presets, and what goes before them."""

from __future__ import annotations

from typing import get_args

import pytest
import typer

from models.encoder import EncoderConfig
from stream_app.cli import fit_options
from stream_app.cli.training_parts import PresetName, configs
from stream_app.settings import Settings
from training.dataset import HistoryRules
from training.fit_config import FitConfig, Precision, Validation
from training.presets import DEFAULT, PRESETS


def test_the_smallest_is_the_default_of_everything() -> None:
    small = PRESETS[DEFAULT]
    assert DEFAULT == "small" and small == (EncoderConfig(), FitConfig())
    assert small.encoder.max_length == HistoryRules().max_length


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_presets_encoder_can_be_made_and_reads_what_the_histories_give(name: str) -> None:
    rules, encoder, fit = configs(Settings(), preset=PresetName(name))
    assert (encoder, fit) == PRESETS[name]
    assert rules.max_length == encoder.max_length <= rules.history_limit


def test_settings_go_before_the_preset_and_options_before_both() -> None:
    assignments = ["width=32", "max_length=20", "epochs=9", "dropout=.1"]
    rules, encoder, fit = configs(
        Settings(), preset=PresetName.base, assignments=assignments, epochs=7, seconds=None, seed=3
    )
    assert (fit.epochs, fit.seed, fit.batch_size) == (7, 3, PRESETS["base"].fit.batch_size)
    assert (encoder.width, encoder.dropout, rules.max_length) == (32, 0.1, 20)
    assert fit.learning_rate == PRESETS["base"].fit.learning_rate


def test_a_setting_that_cannot_be_is_told() -> None:
    with pytest.raises(typer.BadParameter, match="--set no setting 'depth'; there are max_length, width"):
        configs(Settings(), assignments=["depth=3"])


def test_the_command_line_knows_every_name() -> None:
    assert [name.value for name in PresetName] == list(PRESETS)
    assert [one.value for one in fit_options.Validation] == list(get_args(Validation))
    assert [one.value for one in fit_options.Precision] == list(get_args(Precision))

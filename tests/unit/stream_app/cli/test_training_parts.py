"""What the training commands need."""

from __future__ import annotations

import importlib.util

import pytest

from stream_app.cli.errors import Failure
from stream_app.cli.training_parts import configs, require_train_extra
from stream_app.settings import Settings


def test_without_the_train_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("torch", "onnx") else found(name)
    )
    with pytest.raises(Failure, match=r"torch, onnx missing; .* pip install 'millstream\[train\]'"):
        require_train_extra()


def test_with_the_train_extra_nothing_is_said() -> None:
    require_train_extra()


def test_histories_are_trained_on_as_the_worker_keeps_them() -> None:
    settings = Settings(history_limit=77, history_days=2.5, positive_types=("like", "purchase"))
    rules, _, fit = configs(settings, epochs=None, seconds=9.0, seed=4)
    assert (rules.history_limit, rules.max_age_ms) == (77, 216_000_000)
    assert rules.positive_types == ("like", "purchase")
    assert (fit.epochs, fit.seconds, fit.seed) == (6, 9.0, 4)

"""A trained model in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.encoder_config import EncoderConfig
from tests.unit.training.logs import successors
from training.checkpoint import load, save
from training.dataset import HistoryRules
from training.errors import UnusableSource
from training.fit_config import FitConfig
from training.train import train


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    trained = train(
        successors(users=5, events=6, items=8),
        encoder=EncoderConfig(max_length=7, width=16),
        rules=HistoryRules(max_length=7, positive_types=("view",)),
        config=FitConfig(epochs=1),
    )
    save(trained, tmp_path / "new" / "model.pt")
    again = load(tmp_path / "new" / "model.pt")
    assert again.vocabulary.item_ids == trained.vocabulary.item_ids
    assert (again.rules, again.window, again.report) == (trained.rules, trained.window, trained.report)
    for name, weight in trained.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight)


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableSource, match=r"no such file|not a checkpoint") as caught:
        load(path)
    assert "\n" not in str(caught.value)

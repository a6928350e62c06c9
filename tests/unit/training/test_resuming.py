"""A fit that was killed goes on as if it had not been."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.encoder import EncoderConfig
from stream_app.domain.messages import Item
from tests.unit.training.fit_process import HERE
from tests.unit.training.logs import successors
from training.checkpoint import load
from training.dataset import HistoryRules
from training.errors import TrainingDiverged, UnusableCheckpoint
from training.fit_config import FitConfig, FitFolders
from training.train import TrainedModel, train

RULES = HistoryRules(max_length=10)
ENCODER = EncoderConfig(max_length=10, width=16, blocks=2)
CONFIG = FitConfig(epochs=2, batch_size=8)


def _start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.training.fit_process", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _killed_at(folder: Path, *, epoch: int, batch: int) -> None:
    """A fit that was killed with -9 when it was about to do this batch."""
    process = _start(folder / "none.pt", folder / "kept", epoch, batch)
    try:
        assert process.stdout is not None
        said = list(iter(process.stdout.readline, f"{HERE}\n")) if process.poll() is None else []
        assert process.poll() is None, said
    finally:
        process.kill()
    assert process.wait() == -9


@pytest.mark.timeout(600)  # three processes, each with an import of torch
def test_killed_in_the_middle_of_an_epoch_it_ends_at_the_same_bits(tmp_path: Path) -> None:
    whole = _start(tmp_path / "whole.pt", tmp_path / "other")
    _killed_at(tmp_path, epoch=1, batch=4)
    assert not (tmp_path / "none.pt").exists()
    (tmp_path / "kept" / "step-000000099.ckpt.partial").write_bytes(b"cut off")  # not taken for one
    resumed = _start(tmp_path / "resumed.pt", tmp_path / "kept")
    said, _ = resumed.communicate()
    assert resumed.returncode == 0, said
    assert "going on from" in said and "epoch 2 of 3" in said and "epoch 1 of 3" not in said
    assert whole.communicate() and whole.returncode == 0

    expected, got = load(tmp_path / "whole.pt"), load(tmp_path / "resumed.pt")
    assert _bits(expected) == _bits(got)
    assert len(expected.report.losses) == len(expected.report.ndcg) == 3
    assert replace(got.report, seconds=0) == replace(expected.report, seconds=0)
    # The optimiser and the schedule end where they would have.
    first, second = (_only_checkpoint(tmp_path / name) for name in ("kept", "other"))
    assert first["lr_schedulers"] == second["lr_schedulers"]
    assert _tensors(first["optimizer_states"]) == _tensors(second["optimizer_states"])
    assert _tensors(first["state_dict"]) == _tensors(second["state_dict"])


def test_what_has_ended_is_not_fitted_again(tmp_path: Path) -> None:
    lines: list[str] = []
    first = _train(tmp_path)
    second = _train(tmp_path, say=lines.append)
    assert _bits(first) == _bits(second) and first.report == second.report
    assert len(lines) == 1 and lines[0].endswith("is the end of this fit")
    assert [path.suffix for path in tmp_path.iterdir()] == [".ckpt"]  # the newest alone is kept


def test_a_checkpoint_of_another_fit_is_refused_with_what_differs(tmp_path: Path) -> None:
    _train(tmp_path)
    with pytest.raises(UnusableCheckpoint) as caught:
        _train(tmp_path, config=replace(CONFIG, epochs=5, learning_rate=0.1))
    assert str(caught.value) == (
        f"{tmp_path} holds the checkpoint of another fit "
        "(epochs is 5, was 2; learning_rate is 0.1, was 0.003); name another folder, or remove this one"
    )
    with pytest.raises(UnusableCheckpoint, match=r"log is 720 interactions, \w+, was 600 interactions"):
        _train(tmp_path, events=24)


def test_a_checkpoint_belongs_to_what_is_told_of_the_items(tmp_path: Path) -> None:
    one, other = (
        {f"i{number}": Item(item_id=f"i{number}", categories=(f"c{number % kinds}",)) for number in range(40)}
        for kinds in (2, 3)
    )
    first = _train(tmp_path, items=one)
    assert _bits(_train(tmp_path, items=one)) == _bits(first)
    with pytest.raises(
        UnusableCheckpoint, match=r"items is 40 with categories, \w+, was 40 with categories, "
    ):
        _train(tmp_path, items=other)
    with pytest.raises(UnusableCheckpoint, match="items is missing, was 40 with categories"):
        _train(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "step-000000001.ckpt").write_bytes(content)
    with pytest.raises(UnusableCheckpoint, match=r"not a checkpoint of a fit.*; remove it") as caught:
        _train(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_fit_that_diverges_names_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import batches

    cut = batches.EpochBatches.batch

    def poisoned(self: batches.EpochBatches, number: int) -> batches.Batch:
        batch = cut(self, number)
        if number == 3:
            batch["weights"].fill_(float("nan"))
        return batch

    monkeypatch.setattr(batches.EpochBatches, "batch", poisoned)
    with pytest.raises(TrainingDiverged) as caught:
        _train(tmp_path, minutes=0.0)
    # Step 3's loss is none; whether the weights that it was taken with are good, nobody knows.
    assert str(caught.value) == (
        "the loss is nan at step 3; lower the learning rate, now 0.003; "
        f"{tmp_path / 'step-000000002.ckpt'} is good"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002.ckpt"]


def test_a_fit_that_diverges_at_once_has_no_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"lower the learning rate, now 1e\+30; there is no good"):
        _train(tmp_path, config=replace(CONFIG, learning_rate=1e30), minutes=0.0)
    assert not list(tmp_path.iterdir())


def _train(
    folder: Path,
    *,
    config: FitConfig = CONFIG,
    events: int = 20,
    minutes: float = 5.0,
    items: dict[str, Item] | None = None,
    say: Any = print,
) -> TrainedModel:
    return train(
        successors(users=30, events=events, items=40),
        encoder=ENCODER,
        rules=RULES,
        config=config,
        folders=FitFolders(checkpoints=folder, checkpoint_minutes=minutes),
        items=items,
        say=say,
    )


def _bits(trained: TrainedModel) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}


def _only_checkpoint(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*.ckpt")
    stored: dict[str, Any] = torch.load(path, weights_only=True)
    return stored


def _tensors(tree: Any) -> Any:
    """The same with every tensor as bytes, to be compared."""
    if isinstance(tree, torch.Tensor):
        return tree.numpy().tobytes()
    if isinstance(tree, dict):
        return {key: _tensors(value) for key, value in tree.items()}
    return [_tensors(value) for value in tree] if isinstance(tree, list) else tree

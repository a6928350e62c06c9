"""`millstream train` that is killed, shared among processes, or asked for another size."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from models.bundle.manifest import read_manifest
from models.bundle.registry import Registry
from tests.command import MILLSTREAM, answer_of, environment, run_command
from tests.integration.test_training_commands import RunHere, run_here, write_log
from training.checkpoint import load

__all__ = ["run_here"]

pytestmark = pytest.mark.timeout(900)  # each process imports torch, beside whatever else runs
TRAIN = ("train", "log.parquet", "--epochs", "8", "--batch-size", "4", "--validation", "last")
LIMIT_S = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a log in it."""
    write_log(tmp_path / "log.parquet")
    return tmp_path


def test_a_killed_command_goes_on(
    folder: Path,
) -> None:
    """That it ends at the same bits is shown in tests/unit/training/test_resuming.py."""
    keep = (*TRAIN, "--checkpoints", "kept", "--checkpoint-minutes", "0")
    process = subprocess.Popen(
        [MILLSTREAM, *keep, "--checkpoint", "none.pt"],
        cwd=folder,
        env=environment({}),
        stderr=subprocess.DEVNULL,
    )
    try:
        while not list(folder.glob("kept/*.ckpt")):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (folder / "none.pt").exists()

    done = _run(*keep, "--checkpoint", "resumed.pt", "--json", folder=folder)
    resumed = answer_of(done)
    assert "going on from kept/step-" in done.stderr.replace("\\", "/")
    assert len(resumed["losses"]) == resumed["epochs"] == 8
    assert load(folder / "resumed.pt").report.epochs == 8


def test_two_devices_from_the_command_line(folder: Path) -> None:
    done = _run(
        *("train", "log.parquet", "--epochs", "2", "--devices", "2", "--validation", "newest"),
        *("--checkpoints", "kept", "--logs", "logs", "--json"),
        folder=folder,
    )
    answer = answer_of(done)
    said = [line for line in done.stderr.splitlines() if line.startswith("epoch")]
    assert len(said) == 2 and len(done.stdout.splitlines()) == 1
    assert len(list((folder / "kept").iterdir())) == 1
    assert len(list((folder / "logs" / "csv").iterdir())) == 1
    registry = Registry(folder / ".millstream" / "registry")
    assert registry.versions() == [answer["version"]]  # by one of the two
    curve = read_manifest(registry.fetch(answer["version"])).learning_curve
    assert curve == {"loss": answer["losses"], **answer["validation"]}
    assert [len(figures) for figures in curve.values()] == [2, 2, 2]


def test_a_preset_gives_the_size_and_options_go_before_it(run_here: RunHere, tmp_path: Path) -> None:
    quick = ("--preset", "base", "--epochs", "1", "--json")
    code, answer, said = run_here("train", "log.parquet", "--checkpoint", "model.pt", *quick)
    assert code == 0 and "epoch 1 of 1: loss" in said and "held out NDCG@10" in said
    encoder = load(tmp_path / "model.pt").model.encoder.config
    assert (encoder.max_length, encoder.width, encoder.blocks) == (200, 64, 2)
    code, answer, said = run_here("evaluate", "log.parquet", "--models", "attention", *quick)
    assert code == 0 and "attention: epoch 1 of 1: loss" in said and "held out NDCG@10" in said
    code, answer, said = run_here("retrain", "log.parquet", "--no-announce", "--force", *quick)
    assert code == 0 and said.count("epoch 1 of 1: loss") == 2
    assert said.count("held out NDCG@10") == 1  # what is published was fitted once more, on everything
    manifest = read_manifest(Registry(tmp_path / ".millstream" / "registry").fetch(answer["version"]))
    assert (manifest.max_length, manifest.width) == (200, 64)


def test_a_learning_rate_that_is_too_high_is_one_line(run_here: RunHere, tmp_path: Path) -> None:
    code, _, said = run_here("train", "log.parquet", "--learning-rate", "1e30", "--checkpoints", "kept")
    assert code == 1
    assert said.splitlines()[-1].startswith("millstream: the loss is nan at step")
    assert "lower the learning rate, now 1e+30; there is no good checkpoint" in said


def test_patience_without_a_validation_is_wrong_use(run_here: RunHere) -> None:
    code, _, said = run_here("train", "log.parquet", "--patience", "2")
    assert code == 2 and "--patience needs a --validation to look at" in said


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_command(*arguments, folder=folder, timeout_s=LIMIT_S)

"""The loop's offline half, on a small log: fit, compare, gate, export, publish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle.registry import Registry
from models.bundle.verification import verify
from stream_app.domain.messages import ModelAnnouncement
from stream_app.scoring.snapshot import load_snapshot
from tests.unit.training.logs import log_of, successors
from training.dataset import HistoryRules
from training.evaluation.served import ServedModel
from training.fit_config import FitConfig
from training.interactions import Interactions
from training.publish import announcement_of
from training.retrain import CurrentModel, RetrainConfig, retrain

LEARNING = FitConfig(epochs=25, batch_size=16, learning_rate=5e-3)
POPULARITY = ["popularity", "popularity-30d"]
CONFIG = RetrainConfig(rules=HistoryRules(max_length=10), fit=LEARNING, newest=0.2)


def _open(folder: Path) -> ServedModel:
    snapshot = load_snapshot(folder, device="cpu")
    return ServedModel(
        name=snapshot.version,
        scorer=snapshot.scorer,
        vocabulary=snapshot.vocabulary,
        max_length=snapshot.manifest.max_length,
    )


@pytest.fixture(scope="module")
def log() -> Interactions:
    return successors(users=30, events=25, items=50)


def test_a_good_model_is_published_and_a_bad_one_is_not(log: Interactions, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    checked: list[Path] = []

    def check(folder: Path) -> None:
        checked.append(folder)
        _open(folder)  # a worker could serve it: digests, signature, golden batch

    first = retrain(log, registry=registry, current=None, config=CONFIG, check=check)
    assert first.decision.passed, first.decision.reason
    assert first.version == registry.versions()[0] and len(checked) == 1
    manifest = verify(registry.fetch(first.version))
    assert manifest == first.manifest
    assert manifest.training_window.interactions == len(log)  # fitted once more, on everything
    assert manifest.metrics["hr@10"] == first.metrics["hr@10"] > 0.5
    assert (manifest.protocol, manifest.parent) == ("prequential", None)

    announcement = announcement_of(registry.fetch(first.version), version=first.version, uri=str(first.uri))
    assert isinstance(announcement, ModelAnnouncement)
    assert Registry.of(announcement.uri)[1] == first.version

    # What comes next counts against its item.
    weak = replace(CONFIG, fit=replace(LEARNING, epochs=2, type_weights=(("view", -1.0),)))
    current = CurrentModel(model=_open(registry.fetch(first.version)), last_timestamp_ms=None)
    second = retrain(log, registry=registry, current=current, config=weak, check=check)
    assert not second.decision.passed
    assert (second.version, second.uri) == (None, None)
    assert len(registry.versions()) == 1
    assert second.metrics["hr@10"] < first.metrics["hr@10"]
    assert [row["model"] for row in second.results] == ["candidate", first.version, *POPULARITY]

    forced = retrain(
        log, registry=registry, current=current, config=replace(weak, force=True, refit=False), check=check
    )
    assert forced.version in registry.versions() and not forced.decision.passed
    assert forced.manifest is not None
    assert forced.manifest.parent == first.version
    assert forced.manifest.training_window.interactions == round(len(log) * 0.8)  # without a second fit

    # A model that was trained on the newest part cannot be judged by it.
    all_seen = replace(current, last_timestamp_ms=int(log.timestamp_ms[-1]))
    third = retrain(log, registry=registry, current=all_seen, config=weak, check=check)
    assert [row["model"] for row in third.results] == ["candidate", *POPULARITY]
    assert "has seen the newest part itself" in third.decision.reason


def test_a_bundle_that_cannot_be_served_is_not_published(log: Interactions, tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise RuntimeError("not this one")

    registry = Registry(tmp_path / "registry")
    quick = replace(CONFIG, fit=FitConfig(epochs=1), force=True, refit=False)
    with pytest.raises(RuntimeError, match="not this one"):
        retrain(log, registry=registry, current=None, config=quick, check=refuse)
    assert registry.versions() == []


def test_a_newest_part_with_too_few_events_is_refused(tmp_path: Path) -> None:
    small = log_of([("uv"[i % 2], f"i{i % 7}", "view", i) for i in range(40)])
    config = replace(CONFIG, fit=FitConfig(epochs=1))
    outcome = retrain(
        small, registry=Registry(tmp_path), current=None, config=config, check=lambda folder: None
    )
    assert outcome.version is None
    assert "events to judge by" in outcome.decision.reason

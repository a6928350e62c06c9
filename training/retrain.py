"""The loop's offline half: a log in, a better model out, or the reason why not."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.manifest import Manifest
from models.bundle.registry import Registry
from models.encoder_config import EncoderConfig
from stream_app.domain.messages import Item
from training.dataset import HistoryRules
from training.evaluation.judging import judge
from training.evaluation.protocols import prequential
from training.evaluation.results import rows_of
from training.evaluation.served import ServedModel
from training.export import export
from training.fit_config import FitConfig
from training.gate import Decision, decide
from training.interactions import Interactions
from training.publish import publish
from training.rivals.popularity import Popularity
from training.torch_scorer import TorchScorer
from training.train import TrainedModel, train

_CANDIDATE = "candidate"
_K = 10


@dataclass(frozen=True, kw_only=True)
class CurrentModel:
    """The model that serves now; `last_timestamp_ms` is where its training ended."""

    model: ServedModel
    last_timestamp_ms: int | None


@dataclass(frozen=True, kw_only=True)
class RetrainConfig:
    """`newest` is the part of the log that is held out to compare by.

    `refit`: what is published was fitted once more, on everything, the held-out part included; the figures
    are those of its twin that had not seen it. Without, the twin itself goes out: half the time, and it does
    not know the newest events. `force` publishes whatever the comparison says.
    """

    rules: HistoryRules = field(default_factory=HistoryRules)
    fit: FitConfig = field(default_factory=FitConfig)
    encoder: EncoderConfig | None = None
    newest: float = 0.1
    refit: bool = True
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class RetrainReport:
    """What came of it. `version`, `uri` and `folder` are None where nothing was published.

    `results` are rows as of `training.evaluation.results`; `seconds` is the time of each step.
    """

    version: str | None
    uri: str | None
    metrics: dict[str, float]
    results: list[dict[str, Any]]
    decision: Decision
    seconds: dict[str, float]
    manifest: Manifest | None = None


def retrain(
    log: Interactions,
    *,
    registry: Registry,
    current: CurrentModel | None,
    config: RetrainConfig,
    items: Mapping[str, Item] | None = None,
    check: Callable[[Path], object],
    show_progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> RetrainReport:
    """Train on all but the newest part, compare there, and publish if it is good enough.

    `items`, by id, are those whose fields the model reads. `check` is called with the finished bundle before
    it is published, and raises where a worker could not serve it.
    Raises TrainingError where the log holds too little, BundleError where the bundle cannot be published.
    """
    clock = _Clock()
    # 1. Fit on what is older.
    older, _ = log.split(config.newest)
    say(f"training on {len(older)} of {len(log)} interactions")
    fit = partial(
        train,
        rules=config.rules,
        config=config.fit,
        encoder=config.encoder,
        items=items,
        show_progress=show_progress,
        say=say,
    )
    candidate = fit(older)
    clock.lap("train")
    # 2. Compare on what is newer, and what neither model has seen.
    results = _compare(log, len(older), candidate, current, config.rules)
    decision, rows = results
    metrics = {name: cell["value"] for name, cell in rows[0]["metrics"].items()} if rows else {}
    clock.lap("evaluate")
    say(f"{'passed' if decision.passed else 'did not pass'}: {decision.reason}")
    if not (decision.passed or config.force):
        return RetrainReport(
            version=None, uri=None, metrics=metrics, results=rows, decision=decision, seconds=clock.laps
        )
    # 3. Fit on everything: the newest events say most about the next ones.
    final = candidate
    if config.refit and len(older) < len(log):
        say(f"training on all {len(log)} interactions")
        final = fit(log, config=_on_everything(config.fit, candidate))
        clock.lap("refit")
    # 4. Export, check as a worker would, publish.
    with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
        manifest = export(
            final,
            Path(folder),
            parent=current.model.name if current else None,
            metrics=metrics,
            protocol=prequential.NAME,
        )
        check(Path(folder))
        uri = publish(Path(folder), registry)
    clock.lap("export")
    return RetrainReport(
        version=manifest.version,
        uri=uri,
        metrics=metrics,
        results=rows,
        decision=decision,
        seconds=clock.laps,
        manifest=manifest,
    )


def _compare(
    log: Interactions,
    first: int,
    candidate: TrainedModel,
    current: CurrentModel | None,
    rules: HistoryRules,
) -> tuple[Decision, list[dict[str, Any]]]:
    models = [
        ServedModel(
            name=_CANDIDATE,
            scorer=TorchScorer(candidate.model),
            vocabulary=candidate.vocabulary,
            max_length=candidate.rules.max_length,
            context_fields=candidate.model.encoder.config.context,
        )
    ]
    unseen = _first_unseen(log, first, current)
    # A model that has seen the whole newest part cannot be judged by it: popularity alone is left to beat.
    fair = current is not None and unseen < len(log)
    if current is not None and fair:
        models.append(current.model)
        first = unseen
    plan = prequential.prequential_from(log, first=first, rules=rules)
    asked, judged = judge(plan, [*models, Popularity(), Popularity(days=30)], k=_K)
    now = judged[1] if fair else None
    popularity = [one for one in judged[len(models) :] if one.not_applicable is None]
    decision = decide(judged[0], current=now, popularity=popularity, k=_K)
    if current is not None and not fair:
        note = f"{current.model.name} has seen the newest part itself and was left out"
        decision = replace(decision, reason=f"{decision.reason}; {note}")
    return decision, rows_of(plan, asked, judged, ks=[_K])


def _first_unseen(log: Interactions, first: int, current: CurrentModel | None) -> int:
    """Where the events begin that neither model was trained on."""
    if current is None or current.last_timestamp_ms is None:
        return first
    seen = np.flatnonzero(log.timestamp_ms <= current.last_timestamp_ms)
    return max(first, int(seen[-1]) + 1 if len(seen) else 0)


def _on_everything(config: FitConfig, candidate: TrainedModel) -> FitConfig:
    """As long as was best when something was held out, and now nothing is."""
    best = candidate.report.best_epoch
    return config if best is None else replace(config, epochs=best, validation="none", patience=None)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last_s = time.monotonic()

    def lap(self, name: str) -> None:
        now_s = time.monotonic()
        self.laps[name] = round(now_s - self._last_s, 3)
        self._last_s = now_s

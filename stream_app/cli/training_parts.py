"""What the training commands share: where the log, the models and the current champion come from."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.session import connect, say, topic_names
from stream_app.settings import Settings

if TYPE_CHECKING:
    from models.bundle.registry import Registry
    from training.dataset import HistoryRules
    from training.evaluation.recommender import FrozenModel, Rival
    from training.fit_config import FitConfig
    from training.interactions import Interactions
    from training.retrain import CurrentModel

KAFKA = "kafka"
_DAY_MS = 86_400_000
_POPULARITY = re.compile(r"popularity(?:-(\d+(?:\.\d+)?)d)?")


def require_train_extra() -> None:
    """Raise Failure where torch and its company are not installed."""
    needed = ("torch", "lightning", "onnx", "onnxscript")
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        remedy = "install the train extra: pip install 'millstream[train]'"
        raise Failure(f"{', '.join(missing)} missing; {remedy}")


class LogFormat(StrEnum):
    """`training.sources.formats.FORMATS`, without importing polars to say so."""

    movielens = "movielens"
    netflix = "netflix"
    recbole = "recbole"
    amazon = "amazon"
    table = "table"


def read_log(
    settings: Settings, data: str, *, format_name: LogFormat | None = None, strict: bool = False
) -> Interactions:
    """The interactions of a file, of a folder, or of the events topic; what was left out is told."""
    from training.sources.files import read_interactions

    if data == KAFKA:
        log = asyncio.run(_read_topic(settings))
    else:
        name = format_name.value if format_name else None
        log = read_interactions(Path(data), format_name=name, strict=strict)
    for reason, count in log.rejected.items():
        say(f"left out {count} × {reason}")
    for row in log.rejected_rows:
        say(f"  {row.file}, line {row.line}: {row.reason}")
    return log


async def _read_topic(settings: Settings) -> Interactions:
    from stream_app.streaming.whole_topic import open_reader, read_whole
    from training.sources.kafka import collect

    kafka, topic = await connect(settings), topic_names(settings).events
    consumer = open_reader(kafka)
    await consumer.start()
    try:
        return await collect(read_whole(consumer, topic, kafka=kafka))
    finally:
        await consumer.stop()


def configs(
    settings: Settings, *, epochs: int | None, seconds: float | None, seed: int
) -> tuple[HistoryRules, FitConfig]:
    """Histories as the worker keeps them, and how to learn from them."""
    from training.dataset import HistoryRules
    from training.fit_config import FitConfig

    rules = HistoryRules(
        history_limit=settings.history_limit,
        max_age_ms=round(settings.history_days * _DAY_MS),
        positive_types=settings.positive_types,
    )
    fit = FitConfig(seconds=seconds, seed=seed)
    return rules, fit if epochs is None else FitConfig(epochs=epochs, seconds=seconds, seed=seed)


def open_bundle(folder: Path) -> FrozenModel:
    """A bundle as a worker would load it, verified and tried. Raises BundleError where it could not be
    served."""
    from stream_app.scoring.snapshot import load_snapshot
    from training.evaluation.recommender import FrozenModel

    snapshot = load_snapshot(folder, device="cpu")
    return FrozenModel(
        name=snapshot.version,
        scorer=snapshot.scorer,
        vocabulary=snapshot.vocabulary,
        max_length=snapshot.manifest.max_length,
    )


def contestants(
    names: str, *, settings: Settings, older: Interactions, rules: HistoryRules, fit: FitConfig
) -> tuple[list[FrozenModel], list[Rival]]:
    """The models and rivals that are asked for by name. Raises BadParameter for an unknown one."""
    from models.bundle.registry import Registry
    from training.rivals.popularity import Popularity
    from training.rivals.random import Random

    registry = Registry(settings.registry)
    known = registry.versions()
    asked = list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in asked:
        if name == "latest" and not known:
            raise typer.BadParameter(
                f"--models latest: no models in {settings.registry} yet; run millstream train"
            )
        if name not in ("attention", "latest", "random", *known) and not _POPULARITY.fullmatch(name):
            raise typer.BadParameter(f"--models {name} is unknown; millstream models list shows the versions")
    models: list[FrozenModel] = []
    rivals: list[Rival] = []
    for name in asked:
        if match := _POPULARITY.fullmatch(name):
            rivals.append(Popularity(days=float(match[1]) if match[1] else None))
        elif name == "random":
            rivals.append(Random(seed=fit.seed))
        elif name == "attention":
            models.append(_trained(older, rules=rules, fit=fit))
        else:
            models.append(_registered(registry, known[-1] if name == "latest" else name, older=older))
    return models, rivals


def _trained(older: Interactions, *, rules: HistoryRules, fit: FitConfig) -> FrozenModel:
    import sys

    from training.evaluation.recommender import FrozenModel
    from training.torch_scorer import TorchScorer
    from training.train import train

    say(f"training on {len(older)} interactions")
    trained = train(older, rules=rules, config=fit, show_progress=sys.stderr.isatty(), say=say)
    scorer = TorchScorer(trained.model)
    return FrozenModel(
        name="attention", scorer=scorer, vocabulary=trained.vocabulary, max_length=rules.max_length
    )


def _registered(registry: Registry, version: str, *, older: Interactions) -> FrozenModel:
    end_ms = registry.manifest(version).training_window.last_timestamp
    if end_ms is not None and len(older) and end_ms > older.timestamp_ms[-1]:
        say(f"{version} has seen events of the tested part: its figures are too good")
    return open_bundle(registry.fetch(version))


def champion(settings: Settings, registry: Registry, *, announced: bool) -> CurrentModel | None:
    """The model that serves: the last announced one, or else the newest of the registry."""
    from models.bundle.errors import BundleError
    from training.retrain import CurrentModel

    version, uri = _champion_of(settings, registry, announced=announced)
    if version is None:
        say("there is no model yet; the new one is compared with popularity alone")
        return None
    try:
        source, version = (registry, version) if uri is None else registry.of(uri)
        folder = source.fetch(version)
        return CurrentModel(
            model=open_bundle(folder),
            last_timestamp_ms=source.manifest(version).training_window.last_timestamp,
        )
    except BundleError as error:
        say(f"the current model cannot be read; the new one is compared with popularity alone: {error}")
        return None


def _champion_of(settings: Settings, registry: Registry, *, announced: bool) -> tuple[str | None, str | None]:
    if not announced:
        known = registry.versions()
        return (known[-1] if known else None), None

    async def ask() -> Any:
        from stream_app.streaming.known_models import announced_champion

        kafka = await connect(settings)
        return await announced_champion(kafka, topic_names(settings).models, channel=settings.channel)

    found = asyncio.run(ask())
    return (found.version, found.uri) if found else (None, None)


def announce_version(settings: Settings, registry: Registry, version: str) -> None:
    """Tell the workers of a published version. Raises NoBroker."""
    from training.publish import announce, announcement_of

    announcement = announcement_of(registry.fetch(version), version=version, uri=registry.uri(version))

    async def send() -> None:
        kafka = await connect(settings)
        await announce(
            announcement, kafka=kafka, topic=topic_names(settings).models, channel=settings.channel
        )

    asyncio.run(send())
    say(f"announced {version} on channel {settings.channel}")


def dump_split(folder: Path, *, history: Interactions, test: Interactions) -> None:
    """Write both parts as Parquet, so that others can compare on the same events."""
    import numpy as np
    import polars as pl

    from models.bundle.signature import EVENT_TYPES

    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("history", history), ("test", test)):
        pl.DataFrame(
            {
                "user_id": np.array(part.users, dtype=object)[part.user].tolist(),
                "item_id": np.array(part.items, dtype=object)[part.item].tolist(),
                "type": np.array(EVENT_TYPES, dtype=object)[part.type_code].tolist(),
                "timestamp": part.timestamp_ms,
            }
        ).write_parquet(folder / f"{name}.parquet")

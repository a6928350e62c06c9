"""What the training commands share: where the log, the models and the current champion come from."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.session import connect, say, topic_names
from stream_app.domain.ratings import DISLIKE_BELOW, LIKE_FROM
from stream_app.settings import Settings

if TYPE_CHECKING:
    from models.bundle.registry import Registry
    from models.encoder_config import EncoderConfig
    from stream_app.domain.messages import Item
    from training.dataset import HistoryRules
    from training.evaluation.served import ServedModel
    from training.fit_config import FitConfig
    from training.interactions import Interactions, RejectedRow
    from training.retrain import CurrentModel

KAFKA = "kafka"
_DAY_MS = 86_400_000


class LogFormat(StrEnum):
    """`training.sources.formats.FORMATS`, without importing polars to say so."""

    movielens = "movielens"
    netflix = "netflix"
    recbole = "recbole"
    amazon = "amazon"
    order = "order"
    table = "table"


Data = Annotated[
    str,
    typer.Argument(
        help="MovieLens, the Netflix Prize, RecBole's .inter, Amazon reviews, lines of user and item in "
        "order, or a table (Parquet, CSV, JSON lines): a file, a folder or a zip archive; or kafka.",
        metavar="DATA",
    ),
]
FormatName = Annotated[
    LogFormat | None, typer.Option("--format", help="What DATA is; found from its content by default.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file that has bad rows.")]


class PresetName(StrEnum):
    """The names of `training.presets.PRESETS`."""

    small = "small"
    base = "base"
    large = "large"


PresetOption = Annotated[
    PresetName,
    typer.Option("--preset", help="The model's size and how it is fitted; other options go before it."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other setting of the model, as attention=hard or context=moment,device; docs/training.md "
        "lists them. Can be given again.",
        metavar="NAME=VALUE",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Passes over the log, at most; small: 6, base: 15, large: 40.")
]
Seconds = Annotated[float | None, typer.Option(min=1, help="End learning after so long, if not before.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same model.")]


def require_train_extra(*more: str) -> None:
    """Raise Failure where torch and its company, or `more` of the extra, are not installed."""
    needed = ("torch", "lightning", "onnx", "onnxscript", *more)
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        remedy = "install the train extra: pip install 'millstream[train]'"
        raise Failure(f"{', '.join(missing)} missing; {remedy}")


def read_log(
    settings: Settings,
    data: str,
    *,
    format_name: LogFormat | None = None,
    strict: bool = False,
    like_from: float = LIKE_FROM,
    dislike_below: float = DISLIKE_BELOW,
    context_fields: Sequence[str] = (),
) -> Interactions:
    """The interactions of a file, of a folder, or of the events topic; what was left out is told."""
    from training.sources.files import read_interactions

    if data == KAFKA:
        log = asyncio.run(_read_topic(settings, context_fields))
    else:
        name = format_name.value if format_name else None
        log = read_interactions(
            Path(data),
            format_name=name,
            strict=strict,
            like_from=like_from,
            dislike_below=dislike_below,
            context_fields=context_fields,
        )
    tell_rejected(log.rejected, log.rejected_rows)
    return log


def tell_rejected(rejected: Mapping[str, int], rows: Sequence[RejectedRow]) -> None:
    """Say what was left out, by reason, and the first of it."""
    for reason, count in rejected.items():
        say(f"left out {count} × {reason}")
    for row in rows:
        say(f"  {row.file}, line {row.line}: {row.reason}")


async def _read_topic(settings: Settings, context_fields: Sequence[str]) -> Interactions:
    from stream_app.streaming.whole_topic import open_reader, read_whole
    from training.sources.kafka import collect

    kafka, topic = await connect(settings), topic_names(settings).events
    consumer = open_reader(kafka)
    await consumer.start()
    try:
        return await collect(read_whole(consumer, topic, kafka=kafka), context_fields=context_fields)
    finally:
        await consumer.stop()


class Learning(NamedTuple):
    """Histories as the worker keeps them, what is learnt from them, and how."""

    rules: HistoryRules
    encoder: EncoderConfig
    fit: FitConfig


def configs(
    settings: Settings,
    *,
    preset: PresetName = PresetName.small,
    assignments: Sequence[str] | None = None,
    **options: Any,
) -> Learning:
    """What a preset says, then `assignments` (--set), then the fit's `options`; None is one not given.

    Raises BadParameter for a setting that cannot be.
    """
    from training.dataset import HistoryRules
    from training.errors import TrainingError
    from training.model_settings import with_settings
    from training.presets import PRESETS

    try:
        encoder, fit = with_settings(PRESETS[preset.value], assignments or ())
    except TrainingError as error:
        raise typer.BadParameter(f"--set {error}") from error
    rules = HistoryRules(
        max_length=encoder.max_length,
        history_limit=settings.history_limit,
        max_age_ms=round(settings.history_days * _DAY_MS),
        positive_types=settings.positive_types,
    )
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Learning(rules, encoder, dataclasses.replace(fit, **given))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def open_bundle(folder: Path, *, items: Mapping[str, Item] | None = None) -> ServedModel:
    """A bundle as a worker would load it, verified and tried; `items`, by id, that came after training get
    rows, as from the items topic. Raises BundleError where it could not be served."""
    import numpy as np

    from stream_app.scoring.snapshot import load_snapshot
    from training.evaluation.served import ServedModel

    snapshot, items = load_snapshot(folder, device="cpu"), items or {}
    snapshot.add_items(items.values())
    trained = snapshot.manifest.item_count
    published_ms = np.zeros(1 + len(snapshot.vocabulary), dtype=np.int64)
    for row, item_id in enumerate(snapshot.vocabulary.item_ids[trained:], start=1 + trained):
        published_ms[row] = items[item_id].published_at or 0
    return ServedModel(
        name=snapshot.version,
        scorer=snapshot.scorer,
        vocabulary=snapshot.vocabulary,
        max_length=snapshot.manifest.max_length,
        context_fields=snapshot.manifest.context_fields,
        published_ms=published_ms,
        trained=trained,
    )


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

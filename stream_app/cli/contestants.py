"""What `millstream evaluate --models` names: rivals, and models of the registry."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.published import published_items, read_items
from stream_app.cli.session import connect, say, topic_names
from stream_app.cli.tables import Rejects
from stream_app.cli.training_parts import KAFKA, open_bundle, tell_rejected
from stream_app.settings import Settings

if TYPE_CHECKING:
    import polars

    from models.encoder_config import EncoderConfig
    from training.evaluation.planning import Prepared
    from training.evaluation.recommender import Recommender
    from training.fit_config import FitConfig
    from training.interactions import Interactions
    from training.rivals.named import ItemFields

_EVERYTHING = "all"


def check_names(models: str, *, settings: Settings, rivals_alone: str | None = None) -> list[str]:
    """The names each once, `latest` and `all` resolved. Raises BadParameter for an unknown one, or for one of
    the registry where `rivals_alone` says why none can be."""
    from models.bundle.registry import Registry
    from training.rivals.named import ALL, is_rival

    known = Registry(settings.registry).versions()
    names: list[str] = []
    for name in filter(None, (part.strip() for part in models.split(","))):
        if name == _EVERYTHING:
            names += ALL
        elif name == "latest":
            if not known:
                raise typer.BadParameter(
                    f"--models latest: no models in {settings.registry} yet; run millstream train"
                )
            names.append(known[-1])
        elif is_rival(name) or name in known:
            names.append(name)
        else:
            raise typer.BadParameter(f"--models {name} is unknown")
    if not names:
        raise typer.BadParameter("--models names none")
    bundle = next((name for name in names if not is_rival(name)), None)
    if bundle is not None and rivals_alone is not None:
        raise typer.BadParameter(f"{rivals_alone}; leave out {bundle}")
    return list(dict.fromkeys(names))


def contestants(
    names: list[str],
    prepared: Prepared,
    *,
    settings: Settings,
    fit: FitConfig,
    encoder: EncoderConfig,
    items: ItemFields,
    log: Interactions,
    whole_ranking: bool = False,
) -> list[Recommender]:
    """The recommenders of these names; `whole_ranking` has them rank everything, not the best 100.

    Items of the whole `log` that a filter took out of the plan's are none of the catalogue.
    """
    from training.rivals.named import RivalParts, is_rival, rival_named

    kept = prepared.plan.log
    gone = set(log.items).difference(kept.items)
    parts = RivalParts(
        rules=prepared.rules,
        fit=fit,
        encoder=encoder,
        items={item_id: fields for item_id, fields in items.items() if item_id not in gone},
        seed=fit.seed,
        k_limit=len(set(kept.items).union(items)) if whole_ranking else RivalParts.k_limit,
        show_progress=sys.stderr.isatty(),
        say=say,
    )
    tested_from_ms = prepared.plan.retrained_at_ms[0] if prepared.plan.retrained_at_ms else None
    return [
        rival_named(name, parts)
        if is_rival(name)
        else _registered(name, settings=settings, items=parts.items, tested_from_ms=tested_from_ms)
        for name in names
    ]


def fields_of_items(data: str, file: Path | None, *, settings: Settings) -> dict[str, dict[str, Any]]:
    """The items' fields by id: of `file`, or else of DATA: the items topic, a folder or an archive.

    Raises Failure where `file` is named and is no table of items.
    """
    if file is None and data == KAFKA:
        return asyncio.run(_items_of_topic(settings))
    if file is None and (file := _items_beside(Path(data))) is None:
        return {}
    rejects = Rejects()
    table = read_items(file, rejects=rejects)
    for line in rejects.lines():
        say(line)
    return {str(row["item_id"]): row for _, row in table if row.get("item_id") not in (None, "")}


async def _items_of_topic(settings: Settings) -> dict[str, dict[str, Any]]:
    from stream_app.inspection import read_catalogue
    from stream_app.streaming.topic_admin import find_topics

    kafka, topics = await connect(settings), topic_names(settings)
    if topics.items not in await find_topics(kafka, [topics.items]):
        return {}
    return {
        item.item_id: item.features
        | {name: getattr(item, name) for name in ("title", "domain", "embedding", "published_at")}
        | {"categories": list(item.categories)}
        for item in await read_catalogue(settings, topics)
    }


def read_held_out(data: str, *, strict: bool) -> polars.DataFrame:
    """The pairs of user and item in DATA's probe.txt; what was left out is told. Raises UnusableSource."""
    from training.sources.netflix_questions import read_probe
    from training.sources.place import Place

    found = read_probe(Place(Path(data)), strict=strict)
    tell_rejected(found.rejected, found.rejected_rows)
    return found.rows


def _items_beside(data: Path) -> Path | None:
    """Where the items of a data set are: the set itself, or a table in its folder."""
    if not data.is_dir():
        return data if data.suffix.lower() == ".zip" and _has_items(data) else None
    tables = (data / f"items.{ending}" for ending in ("parquet", "csv", "jsonl"))
    return next((table for table in tables if table.is_file()), data if _has_items(data) else None)


def _has_items(data: Path) -> bool:
    try:
        return published_items(data) is not None
    except Failure:
        return False


def _registered(
    version: str, *, settings: Settings, items: ItemFields, tested_from_ms: int | None
) -> Recommender:
    from models.bundle.registry import Registry
    from training.item_rows import items_of_rows

    registry = Registry(settings.registry)
    end_ms = registry.manifest(version).training_window.last_timestamp
    if tested_from_ms is None:
        say(f"{version} was trained before: what it has seen of the tested events makes its figures too good")
    elif end_ms is not None and end_ms > tested_from_ms:
        say(f"{version} has seen events of the tested part: its figures are too good")
    return open_bundle(registry.fetch(version), items=items_of_rows(items))

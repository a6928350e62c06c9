"""`millstream models …`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_app.cli.contestants import fields_of_items
from stream_app.cli.pages import require_writable, write_page
from stream_app.cli.session import AsJson, answer, settings_of
from stream_app.cli.training_parts import open_bundle, read_log, require_train_extra

app = typer.Typer(no_args_is_help=True, help="The registry: which models there are.")


@app.command("list")
def list_models(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the versions in the registry, oldest first."""
    registry = _registry(ctx)
    rows = [_summary(registry.manifest(version)) for version in registry.versions()]
    lines = [f"{r['version']}  {r['created']}  {r['items']} items  {_figures(r['metrics'])}" for r in rows]
    nothing = f"no models in {settings_of(ctx).registry} yet; millstream retrain makes one"
    answer("\n".join(lines) or nothing, {"models": rows}, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="As millstream models list names it.")],
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Write a page: learning curves, attention, a map of the items, what their fields count.",
            metavar="FILE.html",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="For --report: the log whose users' attention is drawn, or kafka.", metavar="DATA"),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(help="For --report: titles and categories; DATA may bring its own.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known about one version: sizes, training window, metrics, files."""
    import msgspec

    if report_file is None and (data is not None or items is not None):
        raise typer.BadParameter("--data and --items are for the page; name it with --report FILE.html")
    registry = _registry(ctx)
    if report_file is not None:
        require_writable(report_file)
        _write_report(ctx, registry.fetch(version), report_file, data=data, items=items)
    facts = msgspec.to_builtins(registry.manifest(version))
    for name in ("golden", "tower_golden"):  # test input for machines
        facts.pop(name, None)
    facts["uri"] = registry.uri(version)
    answer("\n".join(f"{name}: {value}" for name, value in facts.items()), facts, as_json=as_json)


def _write_report(
    ctx: typer.Context, folder: Path, report_file: Path, *, data: str | None, items: Path | None
) -> None:
    require_train_extra()
    import msgspec

    settings = settings_of(ctx)
    fields = {} if data is None and items is None else fields_of_items(data or "", items, settings=settings)
    log = None if data is None else read_log(settings, data)
    from models.bundle.items import read_items, read_told
    from models.bundle.manifest import read_manifest
    from training.dataset import HistoryRules
    from training.evaluation.attention_maps import attention_maps
    from training.model_report.page import ModelFacts, as_page

    manifest = read_manifest(folder)
    rules = HistoryRules(max_length=manifest.max_length, history_limit=settings.history_limit)
    maps = [] if log is None else attention_maps([open_bundle(folder)], log, rules=rules, users=4)
    items_of_bundle, told, schema = read_items(folder), read_told(folder), manifest.item_schema
    if told is not None and not fields:
        ids = items_of_bundle.vocabulary.item_ids
        fields = dict(zip(ids, map(msgspec.json.decode, told.features), strict=True))
    page = as_page(
        ModelFacts(
            manifest=manifest,
            items=items_of_bundle,
            fields=fields,
            maps=maps,
            field_names=("id", *(schema.fields if schema else ())),
            field_weights=None if told is None else told.field_weights,
        )
    )
    write_page(report_file, page)


def _registry(ctx: typer.Context) -> Any:
    from models.bundle.registry import Registry

    return Registry(settings_of(ctx).registry)


def _summary(manifest: Any) -> dict[str, Any]:
    return {
        "version": manifest.version,
        "created": f"{datetime.fromtimestamp(manifest.created_at / 1000, UTC):%Y-%m-%d %H:%M:%S}",
        "created_at": manifest.created_at,
        "parent": manifest.parent,
        "items": manifest.item_count,
        "metrics": manifest.metrics,
    }


def _figures(metrics: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, int | float)
    )

"""`millstream models …`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from stream_app.cli.session import AsJson, answer, settings_of

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
    as_json: AsJson = False,
) -> None:
    """Show what is known about one version: sizes, training window, metrics, files."""
    import msgspec

    registry = _registry(ctx)
    facts = msgspec.to_builtins(registry.manifest(version))
    facts.pop("golden", None)  # test input for machines
    facts["uri"] = registry.uri(version)
    answer("\n".join(f"{name}: {value}" for name, value in facts.items()), facts, as_json=as_json)


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

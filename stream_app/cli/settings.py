"""`millstream settings` and `millstream schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stream_app.cli.session import AsJson, answer, settings_of
from stream_app.settings import PREFIX, Settings
from stream_app.settings_sources import shown, sources

app = typer.Typer()


@app.command()
def settings(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show every setting in force, what it means and where it was set; secrets are hidden.

    Each is a variable of the environment, or the same name in small letters, without MILLSTREAM_, in the file
    of --config.
    """
    in_force = settings_of(ctx)
    values, origins = shown(in_force), sources(in_force, config=ctx.find_root().obj, overrides={})
    rows = {name: {"value": values[name], "source": origins[name]} for name in values}
    meanings = {name: field.description for name, field in Settings.model_fields.items()}
    text = "\n".join(
        f"{PREFIX}{name.upper()}={_plain(row['value'])}  [{row['source']}]  {meanings[name]}"
        for name, row in rows.items()
    )
    answer(text, {"settings": rows}, as_json=as_json)


@app.command()
def schema(
    message: Annotated[str | None, typer.Argument(help="One of them alone: event, item, …")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON Schema of every message that Millstream reads or writes."""
    from stream_app.domain.messages import schemas

    every = schemas()
    if message is not None and message not in every:
        raise typer.BadParameter(f"there is no message {message}; there are {', '.join(every)}")
    asked = every if message is None else every[message]
    answer(json.dumps(asked, indent=2, ensure_ascii=False), asked, as_json=as_json)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)

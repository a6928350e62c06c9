"""`millstream items …`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.file_rows import items_of
from stream_app.cli.progress import progress
from stream_app.cli.published import FILE_HELP, read_items
from stream_app.cli.session import AsJson, answer, connect, say, settings_of, topic_names
from stream_app.cli.tables import Rejects, Table
from stream_app.settings import Settings
from stream_app.streaming.sending import send_records

app = typer.Typer(no_args_is_help=True, help="Load a catalogue from a file.")


@app.callback()
def _items() -> None:
    """Load a catalogue from a file."""


@app.command()
def load(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help=FILE_HELP, metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Send a file of items to the items topic; an item that is there already is replaced.

    Columns: item_id; optionally title, domain, categories (a list, or text with | between), available,
    published_at, embedding, features. Other columns of text or numbers become features.
    """
    settings, rejects = settings_of(ctx), Rejects()
    table = read_items(file, rejects=rejects)
    started = time.monotonic()
    sent = asyncio.run(_load(settings, table, rejects))
    seconds = time.monotonic() - started
    for line in rejects.lines():
        say(line)
    facts = {"items": sent, "rejected": rejects.by_field, "seconds": round(seconds, 3)}
    answer(f"{sent} items sent in {seconds:.1f} s", facts, as_json=as_json)


async def _load(settings: Settings, table: Table, rejects: Rejects) -> int:
    from stream_app.streaming.topic_admin import find_topics

    kafka, topic = await connect(settings), topic_names(settings).items
    if topic not in await find_topics(kafka, [topic]):
        raise Failure(f"topic {topic} is missing; run millstream topics create")
    with progress("items", total=len(table)) as advance:
        return await send_records(kafka, topic, items_of(table, rejects), on_progress=advance)

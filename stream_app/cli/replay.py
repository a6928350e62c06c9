"""`millstream replay`."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.file_rows import events_of
from stream_app.cli.progress import progress
from stream_app.cli.published import FILE_HELP, published_log
from stream_app.cli.session import AsJson, answer, connect, say, settings_of, topic_names
from stream_app.cli.tables import Rejects, Table, read_table
from stream_app.settings import Settings
from stream_app.streaming.sending import Pace, send_records

app = typer.Typer()


@app.command()
def replay(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help=FILE_HELP, metavar="FILE")],
    speed: Annotated[
        str,
        typer.Option(help="max, or like 100x (times the log's own pace), or like 500/s.", metavar="SPEED"),
    ] = "max",
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many events at most.")] = None,
    start: Annotated[
        float, typer.Option("--from", min=0, max=1, help="Begin at this fraction of the log.")
    ] = 0.0,
    end: Annotated[float, typer.Option("--to", min=0, max=1, help="End at this fraction of the log.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Send a file of interactions to the events topic, in the order of their times.

    Columns: user_id, item_id, timestamp (milliseconds since the epoch); optionally type, or rating (4 and
    above is a like, below 3 a dislike, else a view), event_id, context. Kafka's timestamp is the event's own.
    Rows that a worker would refuse are left out and counted.
    """
    pace = _pace(speed)
    if start >= end:
        raise typer.BadParameter(f"--from {start} does not lie before --to {end}")
    settings, rejects = settings_of(ctx), Rejects()
    needed = ("user_id", "item_id", "timestamp")
    whole = published_log(file)
    if whole is None:
        whole = read_table(file, rejects=rejects, required=needed, order_by="timestamp")
    table = whole.part(start, end)
    started = time.monotonic()
    sent = asyncio.run(_replay(settings, table, rejects, pace=pace, limit=limit))
    seconds = time.monotonic() - started
    for line in rejects.lines():
        say(line)
    facts = {
        "events": sent,
        "rejected": rejects.by_field,
        "seconds": round(seconds, 3),
        "events_per_second": round(sent / seconds, 1),
    }
    answer(f"{sent} events sent in {seconds:.1f} s", facts, as_json=as_json)


def _pace(speed: str) -> Pace:
    try:
        return Pace.parse(speed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _replay(
    settings: Settings, table: Table, rejects: Rejects, *, pace: Pace, limit: int | None
) -> int:
    from stream_app.streaming.lane.tansu import is_tansu
    from stream_app.streaming.topic_admin import find_topics

    kafka, topic = await connect(settings), topic_names(settings).events
    found = (await find_topics(kafka, [topic])).get(topic)
    if found is None:
        raise Failure(f"topic {topic} is missing; run millstream topics create")
    if found.retention_ms not in (None, -1):
        raise Failure(
            f"topic {topic} keeps its records for {found.retention_ms} ms and would drop old events at once; "
            f"set retention.ms=-1 (kafka-configs --alter --topic {topic} --add-config retention.ms=-1)"
        )
    total = min(len(table), limit or len(table))
    events = islice(events_of(table, rejects, now_ms=int(time.time() * 1000)), limit)
    # Else a retry after a lost answer would send events twice; Tansu knows no other way.
    idempotent = not await is_tansu(kafka)
    with progress("events", total=total) as advance:
        return await send_records(kafka, topic, events, pace=pace, idempotent=idempotent, on_progress=advance)

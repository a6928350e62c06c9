"""`millstream topics …`."""

from __future__ import annotations

import asyncio

import typer

from stream_app.cli.session import AsJson, answer, connect, settings_of, topic_names
from stream_app.settings import Settings
from stream_app.streaming.topics import Topic, plan

app = typer.Typer(no_args_is_help=True, help="Create and list the topics.")


def planned(settings: Settings) -> list[Topic]:
    """Every topic as these settings want it."""
    return plan(
        topic_names(settings), partitions=settings.partitions, replication_factor=settings.replication_factor
    )


@app.command()
def create(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Create the topics that are missing, with the right partitions and cleanup; then check them all."""
    settings = settings_of(ctx)
    created = asyncio.run(create_and_check(settings))
    existing = [topic.name for topic in planned(settings) if topic.name not in created]
    text = "\n".join([*(f"created  {name}" for name in created), *(f"exists   {name}" for name in existing)])
    answer(text, {"created": created, "existing": existing}, as_json=as_json)


@app.command("list")
def list_topics(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the topics as they are on the broker."""
    settings = settings_of(ctx)
    rows = asyncio.run(_rows(settings))
    width = max(len(str(row["name"])) for row in rows)
    lines = [
        f"{row['name']:<{width}}  {row['partitions']:>4} partitions  {row['cleanup'] or 'cleanup unknown'}"
        if row["exists"]
        else f"{row['name']:<{width}}  missing (millstream topics create)"
        for row in rows
    ]
    answer("\n".join(lines), {"topics": rows}, as_json=as_json)


async def create_and_check(settings: Settings) -> list[str]:
    """Create what is missing and check everything; the names of the new topics.

    Raises:
        NoBroker, TopicProblem: one line each.
    """
    from stream_app.streaming.topic_admin import prepare_topics

    kafka = await connect(settings)
    return await prepare_topics(kafka, topic_names(settings), planned(settings))


async def _rows(settings: Settings) -> list[dict[str, object]]:
    from stream_app.streaming.topic_admin import find_topics

    kafka = await connect(settings)
    names = [topic.name for topic in planned(settings)]
    found = await find_topics(kafka, names)
    return [
        {
            "name": name,
            "exists": name in found,
            "partitions": found[name].partitions if name in found else None,
            "cleanup": found[name].cleanup if name in found else None,
        }
        for name in names
    ]

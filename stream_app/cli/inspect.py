"""`millstream recommend` and `millstream history`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from stream_app.cli.session import AsJson, answer, connect, settings_of, topic_names
from stream_app.settings import Settings

app = typer.Typer()

User = Annotated[str, typer.Argument(help="The user's id, as in the events.", metavar="USER")]


@app.command()
def recommend(ctx: typer.Context, user: User, as_json: AsJson = False) -> None:
    """What a user would get now, and why.

    Ranks the stored history with the model that was last announced, at this moment; no worker is needed. A
    user or items that the model does not know get what is trending, with the role `fallback`.
    """
    from stream_app.inspection import read_names, recommend_now

    settings = settings_of(ctx)

    async def run() -> tuple[Any, Any]:
        await connect(settings)
        names = topic_names(settings)
        items = await read_names(settings, names)
        return await recommend_now(settings, names, items, user_id=user), items

    offer, names = asyncio.run(run())
    titles = _titles(names)
    facts = {
        "user_id": user,
        "model": {"version": offer.model.version, "role": offer.model.role},
        "history_length": offer.history_length,
        "items": [
            {
                "item_id": item.item_id,
                "title": titles(item.item_id),
                "score": item.score,
                "because": [{"item_id": why.item_id, "weight": why.weight} for why in item.because],
            }
            for item in offer.items
        ],
    }
    lines = [
        f"model {offer.model.version} ({offer.model.role}), {offer.history_length} events in the history"
    ]
    for place, item in enumerate(offer.items, 1):
        lines.append(f"{place:>3}  {_named(item.item_id, titles)}  {item.score:.3f}")
    if not offer.items:
        lines.append(
            "nothing to recommend: no item has a name yet; fill the catalogue (millstream items load FILE)"
        )
    if offer.items and offer.items[0].because:
        reasons = ", ".join(
            f"{_named(why.item_id, titles)} {why.weight:.0%}" for why in offer.items[0].because
        )
        lines.append(f"because of {reasons}")
    answer("\n".join(lines), facts, as_json=as_json)


@app.command()
def history(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Argument(help="The user's id, as in the events.", metavar="USER")
    ] = None,
    all_users: Annotated[bool, typer.Option("--all", help="Every user, one JSON object a line.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is stored of a user, told from the changelog alone: no worker is needed.

    With --all every stored history is written, one JSON object a line.
    """
    if (user is None) != all_users:
        raise typer.BadParameter("name a USER, or ask for --all")
    settings = settings_of(ctx)
    asyncio.run(_history(settings, user, as_json=as_json or all_users))


async def _history(settings: Settings, user: str | None, *, as_json: bool) -> None:
    from stream_app.cli.errors import Failure
    from stream_app.inspection import describe_histories, read_names
    from stream_app.streaming.stored_histories import read_histories

    kafka = await connect(settings)
    names = topic_names(settings)
    histories = await read_histories(kafka, names.history_changelog, user=user.encode() if user else None)
    if user is not None and not histories:
        raise Failure(
            f"nothing is stored of user {user} in {names.history_changelog}; send events, or check the id"
        )
    items = await read_names(settings, names)
    titles = _titles(items)
    for facts in describe_histories(histories, items):
        answer(_history_text(facts, titles), facts, as_json=as_json)


def _history_text(facts: dict[str, Any], titles: Any) -> str:
    lines = [
        f"user {facts['user_id']}: {len(facts['entries'])} events, partition {facts['partition']}, "
        f"up to offset {facts['offset']} (epoch {facts['epoch']}, format {facts['format']})"
    ]
    for entry in facts["entries"]:
        moment = datetime.fromtimestamp(entry["timestamp"] / 1000, tz=UTC)
        name = _named(entry["item_id"], titles) if entry["item_id"] else f"unknown item {entry['item_hash']}"
        lines.append(f"  {moment:%Y-%m-%d %H:%M:%S}  {entry['type']:<8}  {name}")
    return "\n".join(lines)


def _titles(names: Any) -> Any:
    from models.bundle.hashing import item_hash

    return lambda item_id: names.title(item_hash(item_id))


def _named(item_id: str, titles: Any) -> str:
    title = titles(item_id)
    return f"{title} ({item_id})" if title else item_id

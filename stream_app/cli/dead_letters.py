"""`millstream dead-letters …`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.progress import progress
from stream_app.cli.session import AsJson, answer, connect, say, settings_of, topic_names

app = typer.Typer(no_args_is_help=True, help="Bad events: look at them, put them back.")

Reason = Annotated[
    str | None, typer.Option(help="Only those whose reason holds this text, or whose field is this.")
]
_SHOWN_BYTES = 2000
_SHOWN_KINDS = 20


@app.command("list")
def list_letters(
    ctx: typer.Context,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(help="How many to show, the newest.", min=0)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest, and count all of them by field and reason.

    The first column is what `show` and a file for `replay --from` call a letter.
    """
    from stream_app.streaming.dead_letter_log import kind_of

    letters = [letter for letter in _read(ctx) if letter.matches(reason)]
    counts = Counter(letter.field for letter in letters)
    kinds = Counter(kind_of(letter.reason) for letter in letters)
    newest = letters[len(letters) - min(limit, len(letters)) :][::-1]
    lines = [
        f"{letter.place!s:>8}  {_time(letter.timestamp_ms)}  {'replayed  ' if letter.replayed else ''}"
        f"{letter.field}: {letter.reason}"
        for letter in newest
    ]
    lines += [f"{count:>8}  {kind}" for kind, count in kinds.most_common(_SHOWN_KINDS)]
    summary = ", ".join(f"{field} {count}" for field, count in counts.most_common())
    lines.append(f"{len(letters)} dead letters ({summary})" if letters else "no dead letters")
    facts = {
        "count": len(letters),
        "by_field": dict(counts.most_common()),
        "by_reason": dict(kinds.most_common()),
        "replayed": sum(letter.replayed for letter in letters),
        "letters": [_facts(letter) for letter in newest],
    }
    answer("\n".join(lines), facts, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context,
    place: Annotated[str, typer.Argument(help="As dead-letters list names it: 0:17.", metavar="PLACE")],
    raw: Annotated[bool, typer.Option("--raw", help="The original bytes alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one letter: where it came from, what is wrong with it, and its bytes."""
    wanted = _place(place)
    found = [letter for letter in _read(ctx) if letter.place == wanted]
    if not found:
        raise Failure(f"there is no dead letter {place}; millstream dead-letters list shows them")
    (letter,) = found
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    facts = _facts(letter)
    shown = facts["value"]
    if shown is not None and len(shown) > _SHOWN_BYTES:
        shown = f"{shown[:_SHOWN_BYTES]}… ({facts['bytes']} bytes; --raw gives all)"
    lines = [f"{name}: {value}" for name, value in {**facts, "value": shown}.items()]
    answer("\n".join(lines), facts, as_json=as_json)


@app.command()
def replay(
    ctx: typer.Context,
    reason: Reason = None,
    mended: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help='JSON lines of mended letters: {"place": "0:17", "value": {…}}, with "key" where it '
            "changes; only these are put back.",
            metavar="FILE",
        ),
    ] = None,
    key_from_value: Annotated[
        bool, typer.Option("--key-from-value", help="Use the value's user_id as the key.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put letters back into the events topic, each at most once: what is good by the rules of now.

    What would come back at once is left and counted by reason. On Apache Kafka an event and the mark that it
    was put back are one transaction, so that a run that is killed can be run again.
    """
    places, chosen, mend = _mending(mended, reason)
    if key_from_value:
        mend = _then_key_from_value(mend)
    outcome = asyncio.run(_replay(ctx, places, chosen, mend, dry_run=dry_run))
    facts = {
        "replayed": outcome.sent,
        "already_replayed": outcome.already,
        "still_bad": dict(outcome.still_bad.most_common()),
        "dry_run": dry_run,
    }
    lines = [f"{outcome.sent} {'would be put' if dry_run else 'put'} back"]
    if outcome.already:
        lines.append(f"{outcome.already} were put back before")
    lines += [f"{count} left: {why}" for why, count in outcome.still_bad.most_common(_SHOWN_KINDS)]
    answer("\n".join(lines), facts, as_json=as_json)


async def _replay(ctx: typer.Context, places: set[Any], chosen: Any, mend: Any, *, dry_run: bool) -> Any:
    from stream_app.streaming.dead_letter_replay import replay_letters
    from stream_app.streaming.lane.tansu import is_tansu

    settings = settings_of(ctx)
    kafka, names = await connect(settings), topic_names(settings)
    letters = await _letters(kafka, names.dead_letters)
    if unknown := sorted(places - {letter.place for letter in letters}):
        raise Failure(f"there is no dead letter {unknown[0]}; millstream dead-letters list shows them")
    if not dry_run and await is_tansu(kafka):
        say("the embedded broker has no transactions: a run that is killed may send some events twice")
    with progress("dead letters", total=sum(map(chosen, letters))) as advance:
        return await replay_letters(
            kafka,
            events=names.events,
            dead_letters=names.dead_letters,
            app_id=settings.app_id,
            choose=chosen,
            mend=mend,
            dry_run=dry_run,
            on_progress=advance,
        )


def _mending(
    file: Path | None, reason: str | None
) -> tuple[set[Any], Callable[[Any], bool], Callable[[Any], Any]]:
    """The places that a file names, which letters are taken, and what becomes of each."""
    from stream_app.streaming.dead_letter_replay import mended_from

    if file is None:
        return set(), lambda letter: letter.matches(reason), lambda letter: letter
    lines = _lines(file)
    places = {_place(line["place"]) for line in lines}
    return places, lambda letter: letter.place in places and letter.matches(reason), mended_from(lines)


def _then_key_from_value(mend: Callable[[Any], Any]) -> Callable[[Any], Any]:
    from stream_app.streaming.dead_letter_replay import keyed_from_value

    return lambda letter: keyed_from_value(mend(letter))


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be read ({error.strerror}); name a file of JSON lines") from None
    except UnicodeDecodeError as error:
        raise Failure(f"{file}, byte {error.start}: not UTF-8; write the file in UTF-8") from None
    lines = []
    for number, line in enumerate(text.split("\n"), 1):  # splitlines also cuts at U+2028, within a text
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise Failure(f"{file}, line {number}: not JSON ({error})") from None
        if not _is_mended(found):
            raise Failure(
                f'{file}, line {number}: a line is {{"place": "0:17", "value": {{…}}}}; a "key" is text'
            )
        lines.append(found)
    return lines


def _is_mended(line: Any) -> bool:
    if not isinstance(line, dict) or "value" not in line:
        return False
    return isinstance(line.get("place"), str) and isinstance(line.get("key"), str | None)


def _place(text: str) -> Any:
    from stream_app.streaming.dead_letter_log import Place

    try:
        return Place.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _read(ctx: typer.Context) -> Sequence[Any]:
    settings = settings_of(ctx)

    async def read() -> Sequence[Any]:
        return await _letters(await connect(settings), topic_names(settings).dead_letters)

    return asyncio.run(read())


async def _letters(kafka: Any, topic: str) -> Sequence[Any]:
    from stream_app.streaming.dead_letter_log import read_letters

    return await read_letters(kafka, topic)


def _facts(letter: Any) -> dict[str, Any]:
    return {
        "place": str(letter.place),
        "timestamp": letter.timestamp_ms,
        "source": letter.source,
        "sent_at": letter.sent_at_ms,
        "field": letter.field,
        "reason": letter.reason,
        "replayed": letter.replayed,
        "key": _text(letter.key),
        "bytes": letter.truncated or len(letter.value or b""),
        "truncated": letter.truncated is not None,
        "value": _text(letter.value),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _time(timestamp_ms: int) -> str:
    return f"{datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"

"""`millstream demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import require_new_folder
from stream_app.cli.session import AsJson, say
from stream_app.settings import DATA

app = typer.Typer()
_BEGAN_S = time.monotonic()


@app.command()
def demo(
    events: Annotated[
        int,
        typer.Option(
            min=1, help="End after so many live events; there are 20,001, the newest 20 % of the log."
        ),
    ] = 20_001,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so long, wherever it stands.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=1, max=100_000, help="Live events a second, at the most.")
    ] = 150.0,
    fit_seconds: Annotated[
        float, typer.Option(min=1, help="How long a model may learn; three fits in all.")
    ] = 35.0,
    folder: Annotated[
        Path | None,
        typer.Option(help=f"Where its data and logs go; {DATA}/demo-<time> by default.", metavar="DIR"),
    ] = None,
    apache: Annotated[
        bool,
        typer.Option(
            "--apache", help="On Apache Kafka instead of the embedded broker; needs Java and Maven."
        ),
    ] = False,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help="Keep a picture of the view there while it runs.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on real data: a broker, a worker and a trainer, live, in about four minutes.

    100,004 ratings of films (MovieLens), each an event in its own time. The first 80 % are the history: put
    in at once, answered from what is trending, and trained on beside. The rest is live: slow until the model
    is there, then at the set speed, while a second one learns from the events in Kafka and takes over.

    Every live event is tested before it is learned from: was the film in the list of ten that its user had?
    The same is asked, of the same events, of the most popular films (of all time or of the last 30 days, what
    is better) and of random ones, those left out that the user has seen. Latency is from an event's sending
    to its recommendation's arrival. All counts are of live events.

    Ctrl-C ends it. Its data and logs stay in one folder, which it names; nothing keeps running. Of your own
    settings only MILLSTREAM_DEVICE, _CACHE, _TANSU and _LOG_LEVEL count.
    """
    from rich.console import Console

    from stream_app.demo import display, summary
    from stream_app.demo.errors import DemoFailed
    from stream_app.demo.orchestration import DemoPlan
    from stream_app.demo.progress import Progress
    from stream_app.demo.run import run
    from training import sample

    place = folder or DATA / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    require_new_folder(place)
    place.mkdir(parents=True, exist_ok=True)
    say(f"data and logs go to {place}")
    plan = DemoPlan(
        interactions=sample.INTERACTIONS,
        items=sample.ITEMS,
        events=events,
        seconds=seconds,
        events_per_second=speed,
        fit_seconds=fit_seconds,
    )
    console = Console(stderr=True)
    progress = Progress(folder=place.resolve(), live_total=events, began_s=_BEGAN_S)
    try:
        run(plan, progress=progress, view=lambda p: display.show(p, console, picture_file=svg), apache=apache)
    except DemoFailed as failed:
        for line in failed.said:
            say(f"  {line}")
        raise
    finally:
        if progress.events:
            console.print(summary.table(progress))
        say(f"data and logs are in {place}")
    if as_json:
        import json

        print(json.dumps(summary.facts(progress)), flush=True)

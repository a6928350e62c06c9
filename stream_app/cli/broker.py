"""`millstream broker`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from stream_app.cli.errors import Failure
from stream_app.cli.session import say, settings_of
from stream_app.settings import DATA

app = typer.Typer()


@app.command()
def broker(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where it listens; 0 takes a free one.")
    ] = 9092,
    apache: Annotated[
        bool,
        typer.Option("--apache", help="Apache Kafka instead of the embedded broker; needs Java and Maven."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help=f"Apache Kafka's data, kept; {DATA / 'kafka'} by default.", metavar="DIR"),
    ] = None,
) -> None:
    """Run a Kafka broker on this machine until Ctrl-C.

    The embedded broker (Tansu) starts at once and keeps everything in memory: for a try-out. With --apache it
    is Apache Kafka, one node; its jars (43 MB) are fetched once, its data outlive it.
    """
    from stream_app.brokers import ApacheKafka, EmbeddedBroker

    if data is not None and not apache:
        raise typer.BadParameter("the embedded broker keeps nothing on disk; --data goes with --apache")
    settings = settings_of(ctx)
    server = (
        ApacheKafka(port=port or None, data=data or DATA / "kafka", cache=settings.cache)
        if apache
        else EmbeddedBroker(port=port or None, binary=settings.tansu)
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if apache:
            say("starting Apache Kafka (the first time its jars are fetched) …")
        server.start()
        print(f"listening on {server.bootstrap_servers}", flush=True)
        while not server.wait(timeout_s=1.0):
            pass
        raise Failure(f"{server.name} ended by itself; start it again")
    except KeyboardInterrupt:
        say("stopping")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave it behind
        server.stop()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt

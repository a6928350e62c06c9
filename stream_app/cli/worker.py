"""`millstream worker`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from stream_app.cli.session import settings_of
from stream_app.settings import PREFIX

app = typer.Typer()


@app.command()
def worker(
    ctx: typer.Context,
    new_source_epoch: Annotated[
        bool,
        typer.Option(
            "--new-source-epoch",
            help="Accept, at this start, an events topic that was made anew or truncated: it is read from "
            "its beginning, and the histories stay.",
        ),
    ] = False,
) -> None:
    """Run a worker: events in, recommendations out, until SIGTERM or Ctrl-C.

    It takes its part of the partitions: start as many as you like, each with its own MILLSTREAM_STATE_DIR and
    MILLSTREAM_WEB_PORT. What it has not committed is replayed by whoever takes over, so that `kill -9` loses
    nothing. The same worker starts by `faust -A stream_app.app worker -l info`.

    Pages: /health, /ready and /metrics on MILLSTREAM_WEB_HOST:MILLSTREAM_WEB_PORT. See `millstream settings`.
    """
    settings = settings_of(ctx)
    if new_source_epoch:
        os.environ[f"{PREFIX}NEW_SOURCE_EPOCH"] = "true"
    config = ctx.find_root().obj
    if config is not None:
        os.environ[f"{PREFIX}CONFIG"] = str(config)  # the app reads its settings where Faust imports it

    from stream_app.app import app as worker_app
    from stream_app.streaming.worker_app import run

    run(worker_app, log_level=settings.log_level)
    sys.exit(0)

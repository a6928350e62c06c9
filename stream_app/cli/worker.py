"""`millstream worker`."""

from __future__ import annotations

import sys


def worker() -> None:
    """Run a worker: events in, recommendations out, until SIGTERM or Ctrl-C.

    Takes its part of the partitions: start as many as you like, each with its own MILLSTREAM_STATE_DIR and
    MILLSTREAM_WEB_PORT. What it has not committed is replayed by whoever takes over, so that `kill -9` loses
    nothing. The same worker starts by `faust -A stream_app.app worker`.

    Pages: /health, /ready and /metrics on MILLSTREAM_WEB_HOST:MILLSTREAM_WEB_PORT.
    """
    from stream_app.app import app
    from stream_app.streaming.worker_app import run

    run(app)
    sys.exit(0)

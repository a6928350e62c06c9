"""`python -m training.rank TASK RANK RANKS PORT`: one rank of a fit, started by `training.ranks`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from training.errors import TrainingError
from training.fitting import Task, run_fit
from training.ranks import READY, Rank, load_task


def main() -> None:
    """Fit along with rank 0, and say nothing; leave when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_rank_0, daemon=True).start()
    path, rank, ranks, port = sys.argv[1:]
    task: Task = load_task(Path(path))
    print(READY, flush=True)
    try:
        run_fit(task, rank=Rank(rank=int(rank), ranks=int(ranks), port=int(port)))
    except TrainingError as error:
        sys.exit(str(error))


def _leave_with_rank_0() -> None:
    sys.stdin.read()  # until its end of the pipe is closed
    os._exit(1)


if __name__ == "__main__":
    main()

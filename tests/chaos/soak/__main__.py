"""The command: python -m tests.chaos.soak --minutes 60 --seed 1"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.soak.run import Soak, soak


def main() -> None:
    """Run it, print the figures; exit code 1 where there is a counter-example."""
    options = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak", description=sys.modules["tests.chaos.soak"].__doc__
    )
    options.add_argument("--minutes", type=float, default=3, help="how long faults happen (3)")
    options.add_argument("--seed", type=int, default=1, help="which faults and events (1)")
    options.add_argument("--emit", choices=["touched", "each"], default="touched")
    options.add_argument("--delivery", choices=["at-least-once", "exactly-once"], default="at-least-once")
    options.add_argument("--per-second", type=float, default=400, help="events, on the average (400)")
    options.add_argument("--json", action="store_true", help="the figures as one JSON object, the last line")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="millstream-soak-"))
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    plan = Soak(
        minutes=given.minutes, seed=given.seed, emit=given.emit, delivery=given.delivery,
        per_second=given.per_second,
    )  # fmt: skip
    say(f"logs and state in {folder}")
    figures, problems = asyncio.run(soak(plan, folder=folder, say=say))
    for problem in problems:
        say(f"COUNTER-EXAMPLE: {problem}")
    say(
        f"seed {given.seed}: "
        + (f"{len(problems)} counter-examples" if problems else "nothing lost, nothing twice")
    )
    print(
        json.dumps(figures) if given.json else "\n".join(f"{n}: {json.dumps(v)}" for n, v in figures.items())
    )
    sys.exit(1 if problems else 0)


main()

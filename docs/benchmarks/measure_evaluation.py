"""How fast and how lean evaluating itself is: writes evaluation.json. `make bench-evaluation`.

    python docs/benchmarks/measure_evaluation.py [replay] [ranking] [large]

replay   events/s of the prequential protocol without a model: 1,000,000 events of 6,000 users and 3,700 items
ranking  6,040 users over 3,416 items: seconds beside the model's own answering, memory
large    100,000 users over 1,000,000 items, a score for every item: memory

Each in a process of its own; seconds are those of shared cores.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILE = HERE / "evaluation.json"


def replay() -> dict[str, Any]:
    """The whole of the protocol but for answers: windows, what is judged and by which list, the questions."""
    from training.dataset import HistoryRules
    from training.evaluation.protocols.prequential import prequential

    log = _log(users=6_000, items=3_700, events=1_000_000)
    started = time.perf_counter()
    plan = prequential(log, newest=0.2, rules=HistoryRules())
    asked = sum(len(block.target) for round_ in plan.rounds for block in round_.questions)
    seconds = time.perf_counter() - started
    return {
        "events": len(log),
        "questions": asked,
        "seconds": seconds,
        "events_per_second": len(log) / seconds,
    }


def ranking() -> dict[str, Any]:
    """A table of scores stands for the model: its answering is looking up and ranking."""
    return _evaluate(users=6_040, items=3_416, events=1_000_000)


def large() -> dict[str, Any]:
    """The same for a catalogue of a million."""
    return _evaluate(users=100_000, items=1_000_000, events=1_200_000)


def _evaluate(*, users: int, items: int, events: int) -> dict[str, Any]:
    import numpy as np

    from training.dataset import HistoryRules
    from training.evaluation.evaluate import EvaluationConfig, evaluate
    from training.evaluation.planning import ProtocolConfig
    from training.evaluation.top_k import top_k

    class Factors:
        """Scores every item: a product of eight numbers, ranked in full."""

        name = "factors"

        def fit(self, training: Any) -> None:
            random = np.random.default_rng(0)
            self._items = random.normal(size=(8, len(training.items))).astype(np.float32)
            self._users = random.normal(size=(len(training.users), 8)).astype(np.float32)

        def recommend(self, histories: Any, *, k: int) -> Any:
            return top_k(self._users[histories.user] @ self._items, histories.seen, k=k)

    log = _log(users=users, items=items, events=events)
    started = time.perf_counter()
    report = evaluate(
        log,
        lambda prepared: [Factors()],
        config=EvaluationConfig(protocol=ProtocolConfig(protocol="leave-one-out")),
        rules=HistoryRules(),
    )
    seconds = time.perf_counter() - started
    (row,) = report["results"]
    of_the_model = sum(row["seconds"].values())
    return {
        "users": row["events"],
        "items": items,
        "seconds": seconds,
        "of_which_the_model": of_the_model,
        "beside_the_model": seconds - of_the_model,
    }


def _log(*, users: int, items: int, events: int) -> Any:
    import numpy as np

    from training.interactions import Interactions

    random = np.random.default_rng(0)
    # Every user equally often, and none takes an item again: all are asked for.
    turns = -(-events // users)
    user = np.concatenate([random.permutation(users) for _ in range(turns)])[:events].astype(np.int32)
    turn = np.arange(events) // users
    item = ((user * 31 + turn * 7919) % items).astype(np.int32)
    return Interactions(
        users=tuple(f"u{code}" for code in range(users)),
        items=tuple(f"i{code}" for code in range(items)),
        user=user,
        item=item,
        type_code=np.ones(events, dtype=np.uint8),
        timestamp_ms=1_600_000_000_000 + np.arange(events, dtype=np.int64) * 1000,
    )


def measure(names: list[str]) -> None:
    """Each in a process of its own; the others keep their figures."""
    found = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for name in names or RUNS:
        print(name, file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--here", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps(found[name]))
        FILE.write_text(json.dumps(found, indent=1) + "\n")


RUNS = {"replay": replay, "ranking": ranking, "large": large}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        figures = RUNS[sys.argv[2]]()
        # Linux counts in KiB.
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["cores"] = os.cpu_count()
        print(json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()}))
    elif unknown := set(sys.argv[1:]) - set(RUNS):
        raise SystemExit(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    else:
        measure(sys.argv[1:])

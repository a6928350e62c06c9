"""The same methods in RecTools and here, on the same rows: writes other_library.json.

    python docs/benchmarks/measure_library.py --log FILE --python OTHER/bin/python

FILE is leave_one_out.txt.gz of MovieLens 1M ("user item" lines in order); OTHER is an environment with
RecTools, made as other_library.py says. Both are given the parameters under which the methods are the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import published_item_knn

from training.dataset import HistoryRules
from training.evaluation.evaluate import EvaluationConfig, evaluate
from training.evaluation.planning import ProtocolConfig
from training.rivals.als import ALS
from training.rivals.item_knn import ItemKNN
from training.rivals.popularity import Popularity
from training.sources.files import read_interactions

HERE = Path(__file__).parent
# Of all items as neighbours nothing depends on whose neighbours they are, which the two count differently.
THEIRS = (
    "--neighbours",
    "4000",
    "--factors",
    "128",
    "--alpha",
    "2",
    "--regularization",
    "10",
    "--iterations",
    "15",
)
SEEDS = (0, 1, 2)


def _als(seed: int) -> ALS:
    # alpha = 1 + 1 / weight, regularization = ridge · alpha, as derived in other_library.py.
    return ALS(width=128, weight=1.0, ridge=5.0, ridge_power=0.0, sweeps=15, seed=seed)


OURS = {
    "popularity": [Popularity()],
    "item_knn": [ItemKNN(neighbours=4000, shrinkage=0.0)],
    "als": [_als(seed) for seed in SEEDS],
}


def measure(log: Path, python: Path) -> None:
    """Evaluate here, write the rows out, evaluate there; what is drawn at random, with several seeds."""
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(
            read_interactions(log),
            lambda prepared: [one for several in OURS.values() for one in several],
            config=EvaluationConfig(
                protocol=ProtocolConfig(protocol="leave-one-out"), split_folder=Path(folder)
            ),
            rules=HistoryRules(),
            say=lambda line: print(line, file=sys.stderr),
        )
        theirs = [_theirs(python, folder, seed) for seed in SEEDS]
        published = published_item_knn.measure(Path(folder))
    ours = iter(report["results"])
    rows: list[dict[str, Any]] = []
    for place, (name, several) in enumerate(OURS.items()):
        of_ours = [next(ours)["metrics"] for _ in several]
        of_theirs = [run["results"][place]["metrics"] for run in theirs[: len(several)]]
        rows.append({"model": name, "ours": of_ours, "theirs": of_theirs})
    found = {
        "library": theirs[0]["library"],
        "version": theirs[0]["version"],
        "their_options": THEIRS,
        "results": rows,
        "published_item_knn": published,
    }
    (HERE / "other_library.json").write_text(json.dumps(found, indent=1) + "\n")


def _theirs(python: Path, folder: str, seed: int) -> dict[str, Any]:
    options = [*THEIRS, "--seed", str(seed)]
    command = [str(python), str(HERE / "other_library.py"), folder, *OURS, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument("--python", type=Path, required=True, help="of the environment with RecTools")
    asked = parser.parse_args()
    measure(asked.log, asked.python)

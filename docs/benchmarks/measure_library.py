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
OURS = {
    "popularity": Popularity(),
    "item_knn": ItemKNN(neighbours=4000, shrinkage=0.0),
    # alpha = 1 + 1 / weight, regularization = ridge · alpha, as derived in other_library.py.
    "als": ALS(width=128, weight=1.0, ridge=5.0, ridge_power=0.0, sweeps=15),
}


def measure(log: Path, python: Path) -> None:
    """Evaluate here, write the rows out, evaluate there."""
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(
            read_interactions(log),
            lambda prepared: list(OURS.values()),
            config=EvaluationConfig(
                protocol=ProtocolConfig(protocol="leave-one-out"), split_folder=Path(folder)
            ),
            rules=HistoryRules(),
            say=lambda line: print(line, file=sys.stderr),
        )
        command = [str(python), str(HERE / "other_library.py"), folder, *OURS, *THEIRS]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    theirs = json.loads(done.stdout)
    rows: list[dict[str, Any]] = []
    for name, ours, other in zip(OURS, report["results"], theirs["results"], strict=True):
        assert other["model"] == name
        rows.append({"model": name, "ours": ours["metrics"], "theirs": other["metrics"]})
    found = {
        "library": theirs["library"],
        "version": theirs["version"],
        "their_options": THEIRS,
        "results": rows,
    }
    (HERE / "other_library.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument("--python", type=Path, required=True, help="of the environment with RecTools")
    asked = parser.parse_args()
    measure(asked.log, asked.python)

"""Measures what quality.md tells, writes quality/*.json and the page: `make bench-quality`.

    python docs/benchmarks/measure_quality.py --data DIR [RUN …]

DIR holds the folders ml-100k and ml-1m (without it, the sample alone is measured). A run is named
data/protocol, as sample/temporal; the others keep their figures. All of it takes hours on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from quality_page import FOLDER, write_page

MILLSTREAM = Path(sys.executable).parent / "millstream"
ROOT = Path(__file__).resolve().parents[2]


class Run(NamedTuple):
    """A data set under a protocol."""

    data: str
    options: tuple[str, ...] = ()


RUNS = {
    "sample/prequential": Run("training/sample"),
    "sample/leave-one-out": Run("training/sample"),
    "sample/temporal": Run("training/sample"),
    "sample/temporal-with-validation": Run("training/sample", ("--with-validation",)),
    "sample/k-fold": Run("training/sample"),
    "ml-100k/prequential": Run("ml-100k"),
    "ml-100k/leave-one-out": Run("ml-100k"),
    "ml-100k/temporal": Run("ml-100k"),
    "ml-100k/k-fold": Run("ml-100k"),
    "ml-1m/leave-one-out": Run("ml-1m/leave_one_out.txt.gz"),
    "ml-1m/temporal": Run("ml-1m/ratings.parquet", ("--items", "ml-1m/items.parquet")),
    "ml-1m/prequential": Run("ml-1m/ratings.parquet", ("--items", "ml-1m/items.parquet", "--fits", "5")),
    "ml-1m/k-fold": Run("ml-1m/ratings.parquet", ("--items", "ml-1m/items.parquet")),
}
MODELS = "all,attention-ids"


def measure(names: list[str], data: Path | None) -> None:
    """Measure these runs; each one's figures are written as soon as it is done."""
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        run, protocol = RUNS[name], name.partition("/")[2].removesuffix("-with-validation")
        shown = ["evaluate", run.data, "--protocol", protocol, "--models", MODELS, *run.options]
        print(f"{name}: millstream {' '.join(shown)}", file=sys.stderr, flush=True)
        command = [str(MILLSTREAM), *(_found(part, data) for part in shown), "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        report = json.loads(done.stdout.splitlines()[-1])
        # As a reader would run it, not where the data happened to lie.
        report["command"], report["data"]["source"] = f"millstream {' '.join(shown)}", run.data
        file = FOLDER / f"{name.replace('/', '-')}.json"
        file.write_text(json.dumps(report, ensure_ascii=False, separators=(",", ":")) + "\n")
    write_page()


def _found(part: str, data: Path | None) -> str:
    return str(data / part) if data is not None and part.startswith("ml-1") else part


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where ml-100k and ml-1m are")
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}; all by default")
    asked = parser.parse_args()
    if unknown := set(asked.runs) - set(RUNS):
        parser.error(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    possible = [name for name in RUNS if asked.data is not None or name.startswith("sample/")]
    measure(asked.runs or possible, asked.data and asked.data.resolve())

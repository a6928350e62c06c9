"""Measures what model.md tells of presets, writes model/*.json and the fits' logs: `make bench-model`.

    python docs/benchmarks/measure_model.py --data DIR [RUN …]

DIR holds the folders ml-100k and ml-1m. A run is named data/protocol/preset, as ml-1m/leave-one-out/base; the
others keep their figures. Those of MovieLens 1M with `base` take half an hour each on two cores. `untouched`
is `temporal` with items that nobody has touched; `untouched-text` gives their titles a sentence model's
vectors, too, and needs the extra `text`. `asked-at-event` and `asked-at-target` are `leave-one-out` with
times, as a worker is asked and with `--query-time target`. `binary` and `sampled-softmax` are `prequential`
with that loss.

A leave-one-out run learns from each user's events but the last two, takes the epoch that guesses the last but
one best, exports, and asks the exported bundle through onnxruntime, as a worker would.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from timed_log import write_timed_log

MILLSTREAM = Path(sys.executable).parent / "millstream"
ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "model"
BASELINES = "item-knn,item-knn-recent,popularity"


class Run(NamedTuple):
    """A preset on a data set under a protocol, that of its name if need be, and what stands beside it."""

    data: str
    options: tuple[str, ...] = ()
    models: str = f"attention,{BASELINES}"
    protocol: str | None = None


ML_1M, ML_1M_ITEMS = "ml-1m/ratings.parquet", ("--items", "ml-1m/items.parquet")
TIMED = "ml-1m/leave_one_out.txt.gz with the times of ml-1m/ratings.parquet"
WITH_COLD = f"attention,attention-ids,content,category-popularity,{BASELINES}"
UNTOUCHED = "attention,content,category-popularity,popularity"
RUNS = {
    "ml-1m/leave-one-out/small": Run("ml-1m/leave_one_out.txt.gz"),
    "ml-1m/leave-one-out/base": Run("ml-1m/leave_one_out.txt.gz"),
    "ml-1m/leave-one-out/large": Run("ml-1m/leave_one_out.txt.gz"),
    "ml-1m/asked-at-event/small": Run(TIMED, protocol="leave-one-out"),
    "ml-1m/asked-at-target/small": Run(TIMED, ("--query-time", "target"), protocol="leave-one-out"),
    "ml-1m/temporal/small": Run(ML_1M, ML_1M_ITEMS),
    "ml-1m/temporal/base": Run(ML_1M, ML_1M_ITEMS),
    "sample/prequential/small": Run("training/sample", models=f"attention,attention-ids,{BASELINES}"),
    "sample/temporal/small": Run("training/sample", models=WITH_COLD),
    "ml-100k/prequential/small": Run("ml-100k", models=WITH_COLD),
    "ml-100k/temporal/small": Run("ml-100k", models=WITH_COLD),
    "ml-100k/binary/small": Run("ml-100k", ("--set", "loss=binary"), protocol="prequential"),
    "ml-100k/sampled-softmax/small": Run(
        "ml-100k", ("--set", "loss=sampled-softmax"), protocol="prequential"
    ),
    "sample/untouched/small": Run("training/sample", ("--k-core", "1"), UNTOUCHED, "temporal"),
    "sample/untouched-text/small": Run("training/sample", ("--k-core", "1"), UNTOUCHED, "temporal"),
}


def measure(names: list[str], *, data: Path, seed: int, fit: list[str]) -> None:
    """Measure these runs; each one's figures are written as soon as it is done."""
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        file = FOLDER / f"{name.replace('/', '-')}-seed-{seed}.json"
        run, (_, protocol, preset) = RUNS[name], name.split("/")
        log = file.with_suffix(".log")
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
            of_protocol = _leave_one_out if protocol == "leave-one-out" else _within
            report = of_protocol(
                _Commands(Path(folder), data=data, log=log), run, protocol, preset, seed, fit
            )
        # As a reader would run it, not where the data happened to lie.
        report["command"], report["data"]["source"] = report["commands"][-1], run.data
        file.write_text(json.dumps(report, ensure_ascii=False, separators=(",", ":")) + "\n")


class _Commands:
    """Runs millstream with a registry of its own, and keeps what it was told and what it said."""

    def __init__(self, folder: Path, *, data: Path, log: Path) -> None:
        self.folder, self.told, self.data = folder, list[str](), data
        self._log = log
        self._environment = os.environ | {"MILLSTREAM_REGISTRY": str(folder / "registry")}

    def __call__(self, *arguments: str) -> dict[str, Any]:
        self.told.append(
            " ".join(["millstream", *(part.replace(f"{self.folder}/", "") for part in arguments)])
        )
        print(self.told[-1], file=sys.stderr, flush=True)
        command = [str(MILLSTREAM), *map(self._found, arguments), "--json"]
        with self._log.open("a") as log:
            print(f"$ {self.told[-1]}", file=log, flush=True)
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _found(self, part: str) -> str:
        if part.startswith("training/"):
            return str(ROOT / part)
        return str(self.data / part) if part.startswith("ml-1") else part


def _leave_one_out(
    run: _Commands, what: Run, protocol: str, preset: str, seed: int, fit: list[str]
) -> dict[str, Any]:
    split, learnt = run.folder / "split", run.folder / "learnt.parquet"
    asked = ("evaluate", what.data, "--protocol", protocol, *what.options)
    run(*asked, "--models", "popularity", "--dump-split", str(split))
    parts = [pl.read_parquet(split / f"{name}.parquet") for name in ("train", "validation")]
    pl.concat(parts).sort("user_id", "order").drop("order", "type").write_parquet(learnt)
    started = time.monotonic()
    options = ("--preset", preset, "--validation", "last", "--seed", str(seed), *fit)
    trained = run("train", str(learnt), *options)
    seconds = time.monotonic() - started
    del trained["uri"]  # of a folder that is gone
    report = run(*asked, "--models", f"{trained['version']},{BASELINES}")
    return _facts(run, seconds=seconds, seed=seed) | {"train": trained} | report


def _within(
    run: _Commands, what: Run, protocol: str, preset: str, seed: int, fit: list[str]
) -> dict[str, Any]:
    started = time.monotonic()
    data = what.data
    if data == TIMED:
        data = str(run.folder / "timed.parquet")
        write_timed_log(run.data / "ml-1m", Path(data))
    asked = ("evaluate", data, "--protocol", what.protocol or protocol, *what.options)
    asked += ("--preset", preset)
    if protocol == "untouched-text":
        embedded = str(run.folder / "embedded.parquet")
        run("items", "embed", f"{what.data}/items.parquet", "--out", embedded)
        asked += ("--items", embedded)
    report = run(*asked, "--seed", str(seed), "--models", what.models, *fit)
    return _facts(run, seconds=time.monotonic() - started, seed=seed) | report


def _facts(run: _Commands, *, seconds: float, seed: int) -> dict[str, Any]:
    return {"commands": run.told, "seconds": round(seconds), "seed": seed}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="where ml-100k and ml-1m are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", action="append", default=[], metavar="NAME=VALUE", help="as --set")
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}; all by default")
    asked = parser.parse_args()
    if unknown := set(asked.runs) - set(RUNS):
        parser.error(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    settings = [part for one in asked.fit for part in ("--set", one)]
    measure(asked.runs or [*RUNS], data=asked.data.resolve(), seed=asked.seed, fit=settings)

"""What serving a preset costs on one core: `make bench-serving`.

    python docs/benchmarks/measure_serving.py [--bundle FOLDER --log leave_one_out.txt.gz] [PRESET …]

Users a second through onnxruntime at 3,700 items, with inputs encoded beforehand, in float32 and with the
encoder's weights in 8 bits (onnxruntime's dynamic quantisation), turn by turn; the size of the bundle and
what opening it adds to a process's memory. The weights are random: they cost as much as trained ones. With a
trained `--bundle` and the log whose last items it does not know, what 8 bits cost of NDCG@10, too. Presets
that are not named keep their figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from onnxruntime.quantization import QuantType, quantize_dynamic

from models.bundle.items import read_items
from models.bundle.manifest import read_manifest
from models.bundle.verification import ENCODER_FILE
from stream_app.bench.scorer import NOW_MS, histories
from stream_app.domain.encoding import encode
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.onnx_scorer import OnnxScorer, open_scorer
from stream_app.scoring.snapshot import load_snapshot
from training.dataset import HistoryRules
from training.evaluation.evaluate import EvaluationConfig, evaluate
from training.evaluation.planning import ProtocolConfig
from training.evaluation.served import ServedModel
from training.presets import PRESETS
from training.sources.files import read_interactions
from training.untrained import export_untrained

FILE = Path(__file__).parent / "serving.json"
ITEMS, USERS, ROUNDS = 3_700, 1_024, 7
BATCHES = (1, 8, 32, 64)
PRECISIONS = ("float32", "int8")


def measure(names: list[str], bundle: Path | None, log: Path | None) -> dict[str, Any]:
    """Presets by name, each with sizes and users a second (medians of turns); with `bundle` NDCG@10."""
    report: dict[str, Any] = json.loads(FILE.read_text()) | {"items": ITEMS}
    with tempfile.TemporaryDirectory(prefix="millstream-bench-") as folder:
        for name in names:
            preset = PRESETS[name]
            made = Path(folder) / name
            export_untrained(made, items=ITEMS, encoder=preset.encoder)
            report["presets"][name] = {
                "max_length": preset.encoder.max_length,
                "bundle_mb": round(sum(one.stat().st_size for one in made.iterdir()) / 1e6, 2),
                "memory_mb": _memory(made),
                "users_per_second": _speed(made, Path(folder)),
            }
            print(name, report["presets"][name], file=sys.stderr, flush=True)
        if bundle is not None and log is not None:
            report["ndcg@10"] = _quality(bundle, log, Path(folder))
    return report


def _scorers(bundle: Path, folder: Path) -> dict[str, OnnxScorer]:
    """The bundle's graph as it is, and quantised beside it."""
    manifest, items = read_manifest(bundle), read_items(bundle)
    quantised = folder / f"{bundle.name}-int8.onnx"
    quantize_dynamic(bundle / ENCODER_FILE, quantised, weight_type=QuantType.QInt8)
    return {
        name: open_scorer(
            path,
            catalogue=Catalogue(vectors=items.vectors, bias=items.bias),
            version=name,
            max_length=manifest.max_length,
            k_limit=manifest.k_limit,
            device="cpu",
        )
        for name, path in zip(PRECISIONS, (bundle / ENCODER_FILE, quantised), strict=True)
    }


def _speed(bundle: Path, folder: Path) -> dict[str, dict[int, int]]:
    scorers, vocabulary = _scorers(bundle, folder), read_items(bundle).vocabulary
    records = histories(vocabulary.hashes[1:].tolist(), users=USERS)
    found: dict[str, dict[int, int]] = {name: {} for name in scorers}
    for batch in BATCHES:
        took: dict[str, list[float]] = {name: [] for name in scorers}
        chunks = [records[at : at + batch] for at in range(0, max(2 * batch, 64), batch)]
        length = scorers["float32"].max_length
        inputs = [encode(some, [NOW_MS] * batch, vocabulary, max_length=length) for some in chunks]
        for turn in range(ROUNDS + 1):
            for name, scorer in scorers.items():
                begun = time.perf_counter()
                for some in inputs:
                    scorer.run(some)
                if turn:  # the first warms up
                    took[name].append((time.perf_counter() - begun) / (len(inputs) * batch))
        for name, seconds in took.items():
            found[name][batch] = round(1 / statistics.median(seconds))
    return found


def _memory(bundle: Path) -> float:
    """What opening the bundle adds to a process, in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(bundle)], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def _say_memory(bundle: Path) -> None:
    import polars  # noqa: F401  read_items would count it as the model's

    process = psutil.Process()
    before = process.memory_info().rss
    snapshot = load_snapshot(bundle, device="cpu")
    print(round((process.memory_info().rss - before) / 1e6, 1))
    del snapshot


def _quality(bundle: Path, log: Path, folder: Path) -> dict[str, float]:
    manifest, vocabulary = read_manifest(bundle), read_items(bundle).vocabulary
    models = [
        ServedModel(name=name, scorer=scorer, vocabulary=vocabulary, max_length=manifest.max_length)
        for name, scorer in _scorers(bundle, folder).items()
    ]
    report = evaluate(
        read_interactions(log),
        lambda prepared: models,
        config=EvaluationConfig(protocol=ProtocolConfig(protocol="leave-one-out")),
        rules=HistoryRules(max_length=manifest.max_length),
    )
    return {row["model"]: round(row["metrics"]["ndcg@10"]["value"], 5) for row in report["results"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, metavar="FOLDER")
    parser.add_argument("--log", type=Path, metavar="FILE")
    parser.add_argument(
        "presets", nargs="*", metavar="PRESET", help=f"of {', '.join(PRESETS)}; all by default"
    )
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_of is not None:
        _say_memory(asked.memory_of)
        sys.exit()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if unknown := set(asked.presets) - set(PRESETS):
        parser.error(f"no preset {', '.join(sorted(unknown))}; there are {', '.join(PRESETS)}")
    found = measure(asked.presets or [*PRESETS], asked.bundle, asked.log)
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))

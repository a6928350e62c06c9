"""Writes quality.md from quality/*.json and quality_head.md, and draws the attention family of model.md:
`python docs/benchmarks/quality_page.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.evaluation.plots import Figure, bars, standalone
from training.evaluation.report_figures import marks
from training.evaluation.report_words import metric_label

HERE = Path(__file__).parent
FOLDER = HERE / "quality"
FAMILY = HERE / "model" / "ml-100k-attention-family-seed-0.json"
DATA = {"sample": "The sample (MovieLens latest-small)", "ml-100k": "MovieLens 100k", "ml-1m": "MovieLens 1M"}
RUNS = ("prequential", "leave-one-out", "temporal", "temporal-with-validation", "k-fold")
K = 10
LEADING = (f"ndcg@{K}", f"hr@{K}", f"mrr@{K}")

Row = dict[str, Any]


def write_page() -> None:
    """The page and a drawing for each run, from what is committed beside them."""
    parts = [(HERE / "quality_head.md").read_text().rstrip()]
    for data, title in DATA.items():
        runs = [FOLDER / f"{data}-{run}.json" for run in RUNS]
        reports = [(file, json.loads(file.read_text())) for file in runs if file.is_file()]
        if reports:
            parts.append(f"## {title}")
        for file, report in reports:
            file.with_suffix(".svg").write_text(_drawing(report))
            parts.append(_section(data, file, report))
    (HERE / "quality.md").write_text("\n\n".join(parts) + "\n")
    FAMILY.with_suffix(".svg").write_text(_drawing(json.loads(FAMILY.read_text())))


def _section(data: str, file: Path, report: Row) -> str:
    rows = sorted(report["results"], key=_by_ndcg)
    facts = report["data"]
    judged = next(row for row in rows if row["not_applicable"] is None)
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in judged["skipped"].items()) or "none"
    return "\n\n".join(
        [
            f"### {file.stem.removeprefix(data + '-')}",
            f"`{report['command']}`",
            f"{facts['interactions']:,} interactions, {facts['users']:,} users, {facts['items']:,} items"
            + "".join(f"; {text}" for text in facts["filters"])
            + f". Judged: {judged['events']:,} events of {judged['users']:,} users; left out: {left_out}. "
            f"[Everything as JSON](quality/{file.name}).",
            f"![{report['protocol']}](quality/{file.with_suffix('.svg').name})",
            _table(rows, ["model", *map(metric_label, LEADING)], _leading),
            _table(rows, ["model", *_OTHER], _others),
            f"{metric_label(LEADING[0])} by slice (events):",
            _table(rows, ["model", *_slice_names(judged)], lambda row: _by_slice(row, judged)),
        ]
    )


def _by_ndcg(row: Row) -> tuple[bool, float]:
    cell = row["metrics"].get(LEADING[0])
    return (cell is None, -cell["value"] if cell else 0.0)


def _table(rows: list[Row], head: list[str], cells: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join([_name(row), *cells(row)]) + " |" for row in rows)])


def _name(row: Row) -> str:
    return row["model"] + (f" ({row['sample']:.0%} of users)" if row["sample"] else "")


def _leading(row: Row) -> list[str]:
    if row["not_applicable"] is not None:
        return [f"n/a: {row['not_applicable']}", "", ""]
    found = []
    for name in LEADING:
        cell, test = row["metrics"][name], row["against_best"][name]
        mark = "★ " if test["best"] == row["model"] else "≈ " if test["within_noise"] else ""
        found.append(f"{mark}{_short(cell['value'])} ({_short(cell['low'])}–{_short(cell['high'])})")
    return found


_OTHER = (
    "MAP", "precision", "recall", "F1", "accuracy", "NDCG over users", "AUC", "log-loss", "RMSE",
    "coverage", "novelty", "diversity", "Gini", "lift", "cold items NDCG", "fit s", "score s",
)  # fmt: skip


def _others(row: Row) -> list[str]:
    if row["not_applicable"] is not None:
        return [""] * len(_OTHER)
    metric = {
        name: row["metrics"][f"{name}@{K}"]["value"]
        for name in ("map", "precision", "recall", "f1", "accuracy")
    }
    beyond = [
        row["beyond_accuracy"].get(f"{name}@{K}")
        for name in ("coverage", "novelty", "diversity", "gini", "popularity_lift")
    ]
    cold = next((part for part in row["slices"]["target's training count"] if part["name"] == "0"), None)
    values = [
        *metric.values(),
        row["over_users"][LEADING[0]],
        *(row["predictions"].get(name) for name in ("auc", "log_loss", "rmse")),
        *beyond,
        cold["metrics"][LEADING[0]]["value"] if cold else None,
    ]
    return [*map(_short, values), *(f"{row['seconds'][what]:,.0f}" for what in ("fit", "score"))]


def _slice_names(row: Row) -> list[str]:
    return [
        f"{kind}: {part['name']} ({part['events']:,})"
        for kind, parts in row["slices"].items()
        for part in parts
    ]


def _by_slice(row: Row, judged: Row) -> list[str]:
    if not row["metrics"]:
        return [""] * len(_slice_names(judged))
    found = {
        (kind, part["name"]): part["metrics"][LEADING[0]]["value"]
        for kind, parts in row["slices"].items()
        for part in parts
    }
    wanted = [(kind, part["name"]) for kind, parts in judged["slices"].items() for part in parts]
    return [_short(found.get(place)) for place in wanted]


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3g}"


def _drawing(report: Row) -> str:
    metric = LEADING[0]
    rows = sorted((row for row in report["results"] if row["metrics"]), key=_by_ndcg)
    figures = [
        Figure(row["model"], *(row["metrics"][metric][end] for end in ("value", "low", "high")), mark=mark)
        for row, mark in zip(rows, marks(rows, metric), strict=True)
    ]
    return standalone(bars(f"{metric_label(metric)}, {report['protocol']}", figures))


if __name__ == "__main__":
    write_page()

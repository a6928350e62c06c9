"""An evaluation's report for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from rich.cells import cell_len, set_cell_size

from training.evaluation.report_figures import (
    Row,
    applicable,
    keys_of,
    main_metric,
    marks,
    meaning_of_marks,
    metrics_by_k,
    name_of,
    ranked,
    results_of,
)
from training.evaluation.report_reading import data_lines, judged_lines, reading
from training.evaluation.report_words import (
    metric_label,
    printable,
    seconds,
    short,
    with_interval,
)

WIDTH = 110
_SHOWN = ("hr", "ndcg", "mrr")
_GAP = "  "


def as_table(report: Row) -> str:
    """The report as plain text, 110 columns wide: accuracy for each k, then the rest, then what was judged.

    `report` is the JSON of `millstream evaluate --json`. ★ marks the best by a metric, ≈ what the paired
    test cannot tell from it. Models stand in the order of NDCG at the first k; those that do not apply come
    last, with the reason.
    """
    results = ranked(results_of(report), main_metric(report))
    blocks = [_wrapped([f"{printable(report.get('protocol', '?'))}: {reading(report)}"])]
    for metrics in metrics_by_k(report).values():
        blocks.append(_accuracy(results, _shown(metrics)))
    if results and not metrics_by_k(report):
        blocks.append(_accuracy(results, []))
    blocks += _others(applicable(results))
    blocks.append(_wrapped(_notes(report)))
    return "\n\n".join(block for block in blocks if block)


def _shown(metrics: Sequence[str]) -> list[str]:
    """HR, NDCG and MRR of those at one k, or else the first three."""
    found = {name.partition("@")[0]: name for name in metrics}
    return [found[name] for name in _SHOWN if name in found] or list(metrics[:3])


def _accuracy(results: Sequence[Row], metrics: Sequence[str]) -> str:
    signs = {metric: marks(results, metric) for metric in metrics}
    cells: list[list[str] | str] = []
    for at, row in enumerate(results):
        if row.get("not_applicable"):
            cells.append(f"n/a: {printable(row['not_applicable'])}")
            continue
        found = row.get("metrics") or {}
        cells.append([f"{signs[name][at] or ' '} {with_interval(found.get(name))}" for name in metrics])
    heads = ["  " + metric_label(metric) for metric in metrics]
    return _grid([name_of(row) for row in results], heads, cells, right=False)


def _others(rows: Sequence[Row]) -> list[str]:
    """Beyond accuracy at each k, then predictions and seconds: the columns that some model has."""
    beyond = keys_of(row.get("beyond_accuracy") for row in rows)
    blocks = []
    for k in dict.fromkeys(key.partition("@")[2] for key in beyond):
        names = [key for key in beyond if key.partition("@")[2] == k]
        cells = [[short((row.get("beyond_accuracy") or {}).get(key)) for key in names] for row in rows]
        blocks.append(_grid([name_of(row) for row in rows], [metric_label(key) for key in names], [*cells]))
    timed = [row.get("seconds") or {} for row in rows]
    predictions = keys_of(row.get("predictions") for row in rows)
    cells = [
        [short((row.get("predictions") or {}).get(key)) for key in predictions]
        + [seconds(times.get(key)) for key in keys_of(timed)]
        for row, times in zip(rows, timed, strict=True)
    ]
    heads = [metric_label(key) for key in predictions] + [f"{printable(key)} (s)" for key in keys_of(timed)]
    return [*blocks, _grid([name_of(row) for row in rows], heads, [*cells]) if heads else ""]


def _wrapped(lines: Sequence[str]) -> str:
    return "\n".join(fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _notes(report: Row) -> list[str]:
    names = [name for names in metrics_by_k(report).values() for name in _shown(names)]
    meaning = meaning_of_marks(results_of(report), names)
    return [*([meaning] if meaning else []), *judged_lines(report), *data_lines(report)]


def _grid(
    names: Sequence[str], heads: Sequence[str], cells: Sequence[list[str] | str], *, right: bool = True
) -> str:
    """Columns as wide as their cells; the names give way where a line would pass the width."""
    lists = [row for row in cells if not isinstance(row, str)]
    widths = [max(cell_len(text) for text in column) for column in zip(heads, *lists, strict=True)]
    room = max(WIDTH - sum(width + len(_GAP) for width in widths), 12)
    first = min(max(cell_len(name) for name in ["model", *names]), room)

    def line(name: str, texts: list[str] | str) -> str:
        if isinstance(texts, str):
            return f"{_fit(name, first)}{_GAP}{texts if right else '  ' + texts}"
        padded = (
            " " * (width - cell_len(text)) + text if right else _fit(text, width)
            for text, width in zip(texts, widths, strict=True)
        )
        return _GAP.join([_fit(name, first), *padded]).rstrip()

    return "\n".join([line("model", list(heads)), *map(line, names, cells)])


def _fit(text: str, width: int) -> str:
    """Cut to a width in terminal cells, with "…" where something was cut, and filled up to it."""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)

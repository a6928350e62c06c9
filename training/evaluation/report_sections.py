"""The sections of an evaluation's page: drawings, and the tables that say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from training.evaluation.heat_maps import MEANING, heat_map
from training.evaluation.plots import Figure, Group, Series, bars, dots, lines
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
    value_of,
)
from training.evaluation.report_tables import (
    every_metric,
    plain_table,
    slice_events,
    slice_names,
    slice_tables,
    slices_of,
    time_table,
)
from training.evaluation.report_words import metric_label, number, printable

MOST_DRAWN = 6
_BEYOND = {
    "coverage": "share of the catalogue that someone was shown",
    "novelty": "higher: items that fewer know",
    "diversity": "higher: the items of a list differ more",
    "gini": "0: all items are shown alike; 1: one item takes all",
    "popularity_lift": "0: as popular as what the users took before; 1: twice as popular",
}


def _charts(drawings: Iterable[str]) -> str:
    found = "\n".join(f"<div>{drawing}</div>" for drawing in drawings)
    return f'<div class="charts">\n{found}\n</div>' if found else ""


def _figure(name: str, found: Any, mark: str = "") -> Figure:
    if isinstance(found, Mapping):
        ends = number(found.get("low")), number(found.get("high"))
        return Figure(name, number(found.get("value")), *ends, mark)
    return Figure(name, number(found), mark=mark)


def accuracy(report: Row, results: Sequence[Row]) -> list[str]:
    """Bars of NDCG and HR at the first k, and the tables of every metric."""
    main = main_metric(report)
    if main is None:
        return [every_metric(report, results)]
    names = metrics_by_k(report)[main.partition("@")[2]]
    wanted = dict.fromkeys([main, *(name for name in names if name.startswith("hr@"))])
    charts = []
    for metric in wanted:
        rows = [row for row in ranked(results, metric) if value_of(row, metric) is not None]
        figures = [
            _figure(name_of(row), row["metrics"][metric], mark)
            for row, mark in zip(rows, marks(rows, metric), strict=True)
        ]
        if figures:
            charts.append(bars(metric_label(metric), figures))
    meaning = meaning_of_marks(results, keys_of(row.get("metrics") for row in results))
    note = "; ".join(part for part in (meaning, "whiskers and brackets are intervals over users") if part)
    return [
        _charts(charts),
        f'<p class="dim">{escape(note)}</p>' if charts else "",
        every_metric(report, results),
    ]


def _drawn_note(results: Sequence[Row]) -> str:
    many = len(applicable(results))
    if many <= MOST_DRAWN:
        return ""
    return f'<p class="dim">Drawn are the best {MOST_DRAWN} of {many} models; the tables have all.</p>'


def slices(report: Row, results: Sequence[Row]) -> list[str]:
    """Dots of the main metric for each slicing, and the tables of all that was measured in the slices."""
    kinds = keys_of(row.get("slices") for row in results)
    main = main_metric(report)
    rows = ranked(applicable(results), main)[:MOST_DRAWN]
    charts, tables = [], []
    for kind in kinds:
        names = keys_of(part.get("metrics") for row in results for part in slices_of(row, kind))
        metric = main if main in names else next(iter(names), None)
        groups = []
        for name in slice_names(kind, rows):
            parts = [(row, part) for row in rows for part in slices_of(row, kind) if part.get("name") == name]
            heading = f"{printable(name)} · {slice_events(kind, name, rows)} events"
            figures = [_figure(name_of(row), (part.get("metrics") or {}).get(metric)) for row, part in parts]
            groups.append(Group(heading, figures))
        if groups and metric:
            charts.append(dots(f"{metric_label(metric)} by {printable(kind)}", groups))
        tables.append(slice_tables(kind, applicable(results)))
    if not charts:
        return []
    return [
        _charts(charts),
        _drawn_note(results),
        f"<details><summary>Every slice as a table</summary>{''.join(tables)}</details>",
    ]


def along_time(results: Sequence[Row]) -> str:
    """Lines of the hit rate along time with the moments of retraining; nothing for protocols without them."""
    rows = [row for row in applicable(results) if row.get("along_time")]
    names = keys_of(window.get("metrics") for row in rows for window in row["along_time"])
    metric = next((name for name in names if name.startswith("hr@")), next(iter(names), None))
    if metric is None:
        return ""
    best = rows[:MOST_DRAWN]
    series = [Series(name_of(row), _points(row, metric)) for row in best]
    if not any(value is not None for one in series for _, value in one.points):
        return ""
    retrained = sorted(
        {at for row in rows for at in row.get("retrained_at_ms") or [] if number(at) is not None}
    )
    title = f"{metric_label(metric)} along time"
    drawings = "".join(
        f'<div class="{kind}">{lines(title, series, retrained_at_ms=retrained, width=width)}</div>'
        for kind, width in (("wide", 800.0), ("narrow", 400.0))
    )
    return (
        f"{drawings}{_drawn_note(rows)}"
        f"<details><summary>Along time as a table</summary>{time_table(metric, rows)}</details>"
    )


def _points(row: Row, metric: str) -> list[tuple[float, float | None]]:
    """The middle of each window and its figure; a window without events has none."""
    found = []
    for window in row["along_time"]:
        start, stop = number(window.get("from_ms")), number(window.get("to_ms"))
        if start is not None and stop is not None:
            value = number((window.get("metrics") or {}).get(metric))
            found.append(((start + stop) / 2, value))
    return sorted(found, key=lambda point: point[0])


def beyond_accuracy(results: Sequence[Row]) -> str:
    """Small bars for each figure at the first k, in the order of accuracy, and the table of all."""
    rows = [row for row in applicable(results) if row.get("beyond_accuracy")]
    keys = keys_of(row["beyond_accuracy"] for row in rows)
    first_k = keys[0].partition("@")[2] if keys else ""
    charts = []
    for key in keys:
        name, _, k = key.partition("@")
        figures = [Figure(name_of(row), number(row["beyond_accuracy"].get(key))) for row in rows]
        if k == first_k and any(figure.value is not None for figure in figures):
            meaning = f'<p class="dim">{escape(_BEYOND[name])}</p>' if name in _BEYOND else ""
            charts.append(bars(metric_label(key), figures[:MOST_DRAWN]) + meaning)
    return (
        _charts(charts)
        + (_drawn_note(rows) if charts else "")
        + plain_table("Beyond accuracy", "beyond_accuracy", rows)
    )


def attention(report: Row) -> list[str]:
    """A heat map for each model under each user whose attention the report tells."""
    parts = []
    for one in report.get("attention") or []:
        drawn = [
            heat_map(name, one["titles"], np.array(shares, dtype=np.float32))
            for name, shares in one["maps"].items()
        ]
        parts.append(f"<h3>User {escape(printable(one['user']))}</h3>{_charts(drawn)}")
    return [MEANING, *parts] if parts else []

"""The HTML tables of an evaluation's page: every figure that the drawings show, and the ones they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from training.evaluation.report_figures import (
    BEST,
    NOISE,
    Row,
    applicable,
    keys_of,
    marks,
    metrics_by_k,
    name_of,
)
from training.evaluation.report_words import (
    counted,
    interval,
    metric_label,
    moment,
    number,
    printable,
    short,
)

_MEANING = {BEST: "best", NOISE: "within noise of the best"}


def safe(text: object) -> str:
    """Text for HTML: no control characters, markup escaped."""
    return escape(printable(text))


def table(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str] | str]]) -> str:
    """A table that scrolls sideways by itself. `heads` and names are text, cells are HTML.

    A row's cells may be one text instead: it then stretches over all of them.
    """
    head = "".join(f'<th scope="col">{safe(text)}</th>' for text in heads)
    body = []
    for name, cells in rows:
        if isinstance(cells, str):
            found = f'<td class="reason" colspan="{max(len(heads) - 1, 1)}">{cells}</td>'
        else:
            found = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr><th scope="row">{safe(name)}</th>{found}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(caption)}"><table>'
        f"<caption>{safe(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody></table></div>"
    )


def cell(found: object, mark: str = "") -> str:
    """A figure, its interval below, its mark before it; a screen reader gets the mark in words."""
    sign = f'<span role="img" aria-label="{_MEANING[mark]}">{mark}</span> ' if mark else ""
    if not isinstance(found, Mapping):
        return sign + short(found)
    ends = interval(found.get("low"), found.get("high"))
    return sign + short(found.get("value")) + (f"<small>{ends}</small>" if ends else "")


def every_metric(report: Row, results: Sequence[Row]) -> str:
    """A table for each k: all metrics of all models, n/a with the reason; then the means over users."""
    found = []
    for k, metrics in metrics_by_k(report).items():
        signs = {metric: marks(results, metric) for metric in metrics}
        heads = ["model", *map(metric_label, metrics)]
        rows = [
            (
                name_of(row),
                f"n/a: {safe(row['not_applicable'])}"
                if row.get("not_applicable")
                else [cell((row.get("metrics") or {}).get(name), signs[name][at]) for name in metrics],
            )
            for at, row in enumerate(results)
        ]
        found.append(table(f"Mean over events{f', at {k}' if k else ''}", heads, rows))
    over_users = keys_of(row.get("over_users") for row in results)
    if over_users:
        rows = [(name_of(row), _row(row.get("over_users"), over_users)) for row in applicable(results)]
        found.append(table("Mean over users", ["model", *map(metric_label, over_users)], [*rows]))
    if not found and results:
        rows = [(name_of(row), f"n/a: {safe(row.get('not_applicable') or 'no figures')}") for row in results]
        found.append(table("Models", ["model", "figures"], [*rows]))
    return "\n".join(found)


def _row(found: Mapping[str, Any] | None, keys: Sequence[str]) -> list[str]:
    return [short((found or {}).get(key)) for key in keys]


def slice_tables(kind: str, results: Sequence[Row]) -> str:
    """The tables of one slicing: for each metric that the slices have, model × slice."""
    names = slice_names(kind, results)
    heads = ["model", *(f"{name} ({slice_events(kind, name, results)})" for name in names)]
    found = []
    for metric in keys_of(part.get("metrics") for row in results for part in slices_of(row, kind)):
        rows = []
        for row in results:
            parts = {part.get("name"): part.get("metrics") or {} for part in slices_of(row, kind)}
            rows.append((name_of(row), [cell(parts.get(name, {}).get(metric)) for name in names]))
        found.append(table(f"{metric_label(metric)} by {kind} (in brackets: events)", heads, rows))
    return "\n".join(found)


def slice_events(kind: str, name: object, results: Sequence[Row]) -> str:
    """The slice's number of events; a range where a model was judged on fewer of them."""
    sizes = [
        number(p.get("events")) for row in results for p in slices_of(row, kind) if p.get("name") == name
    ]
    known = [size for size in sizes if size is not None]
    if not known:
        return counted(None)
    return "–".join(dict.fromkeys([counted(min(known)), counted(max(known))]))


def slices_of(row: Row, kind: str) -> list[Mapping[str, Any]]:
    """The row's slices of a kind."""
    return list((row.get("slices") or {}).get(kind) or [])


def slice_names(kind: str, results: Sequence[Row]) -> list[str]:
    """The slices of a kind, in the order of the models' lists."""
    return list(dict.fromkeys(part.get("name", "?") for row in results for part in slices_of(row, kind)))


def time_table(metric: str, results: Sequence[Row]) -> str:
    """A figure along time: a row for each window, a column for each model."""
    windows: dict[tuple[Any, Any], dict[int, Mapping[str, Any]]] = {}
    for at, row in enumerate(results):
        for window in row.get("along_time") or []:
            windows.setdefault((window.get("from_ms"), window.get("to_ms")), {})[at] = window
    rows = []
    for (from_ms, to_ms), found in sorted(windows.items(), key=lambda pair: number(pair[0][0]) or 0.0):
        events = max((number(window.get("events")) or 0 for window in found.values()), default=0)
        cells = [
            cell((found[at].get("metrics") or {}).get(metric)) if at in found else cell(None)
            for at in range(len(results))
        ]
        rows.append((moment(from_ms), [moment(to_ms), counted(events), *cells]))
    heads = ["from", "to", "events", *(name_of(row) for row in results)]
    return table(f"{metric_label(metric)} along time", heads, rows)


def plain_table(
    caption: str, part: str, results: Sequence[Row], *, unit: str = "", text: Callable[[object], str] = short
) -> str:
    """The rows' figures under one key ("beyond_accuracy", "predictions", …); nothing if none has any."""
    keys = keys_of(row.get(part) for row in results)
    if not keys:
        return ""
    rows = [(name_of(row), [text(row[part].get(key)) for key in keys]) for row in results if row.get(part)]
    return table(caption, ["model", *(metric_label(key) + unit for key in keys)], [*rows])

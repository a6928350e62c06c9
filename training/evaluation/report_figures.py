"""A report's dict → what each of its forms needs: the models' order, who is best, what is known.

The dict is the JSON that `millstream evaluate --json` prints. A figure that is missing, null or not finite is
written as "–", so that a report can always be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.evaluation.report_words import metric_label, number, printable

BEST, NOISE = "★", "≈"
Row = Mapping[str, Any]


def name_of(row: Row) -> str:
    """The model's name as it is shown."""
    return printable(row.get("model", "?"))


def value_of(row: Row, metric: str) -> float | None:
    """The row's figure of a metric, or None."""
    found = (row.get("metrics") or {}).get(metric)
    return number(found.get("value") if isinstance(found, Mapping) else found)


def results_of(report: Row) -> list[Row]:
    """The report's rows, n/a too; a mean over no events is not known, whatever the report says."""
    return [_known(row) for row in report.get("results") or []]


def _known(row: Row) -> Row:
    parts = {
        **row,
        "slices": {kind: list(map(without_events, of)) for kind, of in (row.get("slices") or {}).items()},
        "along_time": list(map(without_events, row.get("along_time") or [])),
    }
    return without_events(parts)


def without_events(part: Row) -> Row:
    """A row, slice or window as it is; where it has no events, its means are not known: they are not zero."""
    if part.get("events") != 0:
        return part
    means = {name: part.get(name) or {} for name in ("metrics", "over_users", "predictions")}
    return {**part, **{name: dict.fromkeys(found) for name, found in means.items() if found}}


def applicable(results: Iterable[Row]) -> list[Row]:
    """The rows that were judged."""
    return [row for row in results if not row.get("not_applicable")]


def keys_of(mappings: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """Every key, in the order of its first appearance."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping or {}))


def metrics_by_k(report: Row) -> dict[str, list[str]]:
    """The metrics' full names for each k that the report has ("" for those without), the asked ks first."""
    names = keys_of(row.get("metrics") for row in results_of(report))
    ks = dict.fromkeys([str(k) for k in report.get("ks") or []] + [name.partition("@")[2] for name in names])
    found = {k: [name for name in names if name.partition("@")[2] == k] for k in ks}
    return {k: names for k, names in found.items() if names}


def main_metric(report: Row) -> str | None:
    """NDCG at the first k, or else the first metric there is; None without any."""
    groups = list(metrics_by_k(report).items())
    if not groups:
        return None
    k, names = groups[0]
    return f"ndcg@{k}" if f"ndcg@{k}" in names else names[0]


def ranked(results: Iterable[Row], metric: str | None) -> list[Row]:
    """The highest figure first; rows without one after them, in the order given."""

    def key(row: Row) -> tuple[bool, float]:
        value = value_of(row, metric) if metric else None
        return (value is None, -(value or 0.0))

    return sorted(results, key=key)


def tests_of(results: Iterable[Row], metric: str) -> list[tuple[Row, Mapping[str, Any]]]:
    """Each row that was tested against the best by this metric, with its test."""
    pairs = [(row, (row.get("against_best") or {}).get(metric)) for row in results]
    return [(row, test) for row, test in pairs if test]


def marks(results: Sequence[Row], metric: str) -> list[str]:
    """★, ≈ or nothing for each row: the best, and what the paired test cannot tell from it.

    Without tests the highest figure is the best and nothing is said of noise; one model alone has no mark.
    """
    if sum(value_of(row, metric) is not None for row in results) < 2:
        return [""] * len(results)
    tests = {id(row): test for row, test in tests_of(results, metric)}
    if not tests:
        highest = value_of(ranked(results, metric)[0], metric)
        return [BEST if value_of(row, metric) == highest else "" for row in results]
    best = {test.get("best") for test in tests.values()}

    def mark(row: Row) -> str:
        test = tests.get(id(row))
        if value_of(row, metric) is None:
            return ""
        if row.get("model") in ({test.get("best")} if test else best):
            return BEST
        return NOISE if test and test.get("within_noise") else ""

    return [mark(row) for row in results]


def meaning_of_marks(results: Sequence[Row], metrics: Sequence[str]) -> str:
    """What the marks of these metrics say, and by which of them nothing was tested; "" without marks."""
    by_metric = {metric: set(marks(results, metric)) - {""} for metric in metrics}
    if not any(by_metric.values()):
        return ""
    untested = [metric_label(m) for m, signs in by_metric.items() if signs and not tests_of(results, m)]
    if len(untested) == sum(map(bool, by_metric.values())):
        return f"{BEST} highest figure; no paired test was made, so what is noise is not known"
    said = f"{BEST} best, {NOISE} within noise of the best (paired test)"
    return said + (f"; not tested, {BEST} is just the highest: {', '.join(untested)}" if untested else "")

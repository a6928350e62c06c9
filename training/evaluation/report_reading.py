"""A report's dict → sentences: which model is best and what is within noise, what was judged and left out."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.report_figures import (
    BEST,
    NOISE,
    Row,
    applicable,
    main_metric,
    marks,
    name_of,
    ranked,
    results_of,
    tests_of,
    value_of,
)
from training.evaluation.report_words import (
    counted,
    interval,
    listed,
    metric_label,
    number,
    printable,
    short,
    with_interval,
)


def reading(report: Row) -> str:
    """The report in one to four sentences, from the paired tests (`against_best`) alone."""
    results, metric = results_of(report), main_metric(report)
    if not results:
        return "No model was evaluated."
    judged = applicable(results)
    if not judged:
        reasons = dict.fromkeys(printable(row["not_applicable"]) for row in results)
        return f"No model could be judged: {'; '.join(reasons)}."
    known = [row for row in ranked(judged, metric) if metric and value_of(row, metric) is not None]
    if not metric or not known:
        return "No event was judged, so there is no figure to read."
    if len(known) == 1:
        row = known[0]
        return (
            f"{_named(row)} reaches {metric_label(metric)} {with_interval(row['metrics'][metric])}. "
            "No other model has a figure to compare it with."
        )
    return " ".join(_comparison(known, metric))


def _named(row: Row) -> str:
    share = share_of(row)
    return name_of(row) + (f" (on {share} of the users)" if share else "")


def _comparison(known: Sequence[Row], metric: str) -> list[str]:
    signs = marks(known, metric)
    best = next((row for row, sign in zip(known, signs, strict=True) if sign == BEST), known[0])
    others = [(row, sign) for row, sign in zip(known, signs, strict=True) if row is not best]
    tests = {id(row): test for row, test in tests_of(known, metric)}
    said = [
        f"{_named(best)} is best by {metric_label(metric)}: {with_interval(best['metrics'][metric])}.",
    ]
    near = [_named(row) for row, sign in others if sign == NOISE]
    behind = [row for row, sign in others if sign == "" and id(row) in tests]
    untested = [_named(row) for row, _ in others if id(row) not in tests]
    if near:
        said.append(f"{listed(near)} {'is' if len(near) == 1 else 'are'} within noise of it.")
    if behind:
        said.append(_nearest(behind, tests, alone=not near and not untested))
    if untested:
        said.append(f"Not tested against it, so noise is not ruled out: {listed(untested)}.")
    by_hits = "hr@" + metric.partition("@")[2]
    rows = dict(zip(marks(known, by_hits), known, strict=True))
    if BEST in rows and rows[BEST].get("model") != best.get("model"):
        said.append(f"By {metric_label(by_hits)} the best is {_named(rows[BEST])}.")
    return said


def _nearest(behind: Sequence[Row], tests: dict[int, Row], *, alone: bool) -> str:
    first = behind[0]
    test = tests[id(first)]
    lost = number(test.get("difference"))
    by = ""
    if lost is not None:
        low, high = number(test.get("low")), number(test.get("high"))
        known = low is not None and high is not None
        ends = interval(-(high or 0.0), -(low or 0.0)) if known else ""
        by = f", by {short(-lost)} {ends}".rstrip()
    if len(behind) == 1:
        return f"{_named(first)} is behind by more than noise{by}."
    others = "All other models" if alone else "The rest"
    return f"{others} are behind by more than noise; the nearest is {_named(first)}{by}."


def share_of(row: Row) -> str:
    """The share of users that a slow model was scored on ("25 %"); nothing where it was all of them."""
    share = number(row.get("sample"))
    return "" if share is None or share >= 1 else f"{share * 100:.3g} %"


def judged_lines(report: Row) -> list[str]:
    """What was judged and left out, a line for all models or one for each group of them that agrees."""
    groups: dict[str, list[str]] = {}
    rows = applicable(results_of(report))
    for row in rows:
        left_out = ", ".join(
            f"{counted(count)} {printable(reason)}"
            for reason, count in (row.get("skipped") or {}).items()
            if count
        )
        share, drawn = share_of(row), row.get("sampled_items")
        line = (
            f"{counted(row.get('events'))} events of {counted(row.get('users'))} users judged"
            + (f" (a sample: {share} of the users)" if share else "")
            + (f", ranked among {counted(drawn)} drawn items, not the whole catalogue" if drawn else "")
            + f"; left out: {left_out or 'none'}"
        )
        groups.setdefault(line, []).append(name_of(row))
    return [f"{listed(names)}: {line}" if len(groups) > 1 else line for line, names in groups.items()]


def data_lines(report: Row) -> list[str]:
    """The log that was read: its size, its rejected rows by reason, its filters."""
    data = report.get("data") or {}
    if not data:
        return []
    rejected = ", ".join(
        f"{counted(count)} {printable(reason)}"
        for reason, count in (data.get("rejected") or {}).items()
        if count
    )
    size = ", ".join(f"{counted(data.get(what))} {what}" for what in ("interactions", "users", "items"))
    filters = [printable(text) for text in data.get("filters") or []]
    return [
        f"{printable(data.get('source', 'data'))}: {size}; rejected rows: {rejected or 'none'}",
        *(f"filter: {text}" for text in filters),
    ]

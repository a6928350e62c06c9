"""An evaluation's report as one HTML page that stands alone: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from training.evaluation.page_frame import html_page, section
from training.evaluation.report_figures import (
    Row,
    main_metric,
    ranked,
    results_of,
)
from training.evaluation.report_reading import data_lines, judged_lines, reading
from training.evaluation.report_sections import accuracy, along_time, attention, beyond_accuracy, slices
from training.evaluation.report_tables import plain_table, safe, table
from training.evaluation.report_words import (
    counted,
    moment,
    number,
    printable,
    seconds,
)


def as_page(report: Row) -> str:
    """The page's HTML; `report` is the JSON of `millstream evaluate --json`. What it lacks is left out.

    Every name and text of the report is escaped; the page's own policy forbids scripts and outside loads.
    """
    results = ranked(results_of(report), main_metric(report))
    data = report.get("data") or {}
    source = data.get("source", "")
    title = f"Evaluation: {printable(report.get('protocol', '?'))}"
    made = _made(report.get("made_at"))
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="dim">{" · ".join(safe(text) for text in (source, made) if text)}</p>',
        f'<p class="lead">{escape(reading(report))}</p>',
        *(f'<p class="dim">{escape(line)}</p>' for line in judged_lines(report)),
        section("Accuracy", accuracy(report, results)),
        section("By slice", slices(report, results)),
        section("Along time", [along_time(results)]),
        section("Beyond accuracy", [beyond_accuracy(results)]),
        section(
            "Predictions",
            [plain_table("AUC and log loss of probabilities, RMSE of ratings", "predictions", results)],
        ),
        section("Where they look", attention(report)),
        section("What was run", _run(report, results)),
    ]
    return html_page(title, parts)


def _made(made_at: object) -> str:
    """When the report was made, to the minute; what is no ISO time stays as it is."""
    try:
        made = datetime.fromisoformat(str(made_at))
    except ValueError:
        return printable(made_at or "")
    return moment((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp() * 1000)


def _run(report: Row, results: Sequence[Row]) -> list[str]:
    data = report.get("data") or {}
    facts = {
        "Protocol": safe(report.get("protocol", "?")),
        "Definition": safe(report.get("definition", "")),
        "Data": "<br>".join(safe(line) for line in data_lines(report)[:1]),
        "Time of the data": _span(data),
        "Filters": "<br>".join(safe(text) for text in data.get("filters") or []) or "none",
        "Left out of judging": "<br>".join(safe(line) for line in judged_lines(report)),
        "Seed": safe(report.get("seed", "")),
        "Versions": ", ".join(
            f"{safe(name)} {safe(version)}" for name, version in (report.get("versions") or {}).items()
        ),
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in facts.items() if text)
    command = "\n".join(map(safe, str(report.get("command") or "").splitlines()))
    again = f'<h3>To run it again</h3>\n<pre tabindex="0"><code>{command}</code></pre>'
    rejected = [(reason, [counted(count)]) for reason, count in (data.get("rejected") or {}).items()]
    return [
        again if command else "",
        f"<dl>{listed}</dl>",
        table("Rejected rows of the data", ["reason", "rows"], rejected) if rejected else "",
        plain_table("Seconds of each model", "seconds", results, text=seconds),
    ]


def _span(data: Row) -> str:
    ends = data.get("first_timestamp"), data.get("last_timestamp")
    if all(number(end) is None for end in ends):
        return "the log has no times"
    return " to ".join(moment(end) for end in ends)

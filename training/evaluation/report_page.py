"""An evaluation's report as one HTML page that stands alone: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from training.evaluation.plots import STYLE
from training.evaluation.report_figures import (
    Row,
    main_metric,
    ranked,
    results_of,
)
from training.evaluation.report_reading import data_lines, judged_lines, reading
from training.evaluation.report_sections import accuracy, along_time, beyond_accuracy, slices
from training.evaluation.report_tables import plain_table, safe, table
from training.evaluation.report_words import (
    counted,
    moment,
    number,
    printable,
    seconds,
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_PAGE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1b1f24; --dim: #59636e; --rule: #d5dae0;
  --field: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e6e9ed; --dim: #a3acb6;
  --rule: #3a424b; --field: #1e242b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere; }
.dim, caption { color: var(--dim); font-size: .9rem; }
.lead { font-size: 1.15rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 1.5rem 2.5rem; align-items: start; }
.charts svg { width: 100%; max-width: 32rem; }
svg { display: block; height: auto; max-width: 100%; }
.narrow { display: none; }
@media (max-width: 45rem) { .narrow { display: block; } .wide { display: none; } }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; max-width: 100%; }
.scroll:focus-visible, summary:focus-visible, pre:focus-visible { outline: 2px solid var(--dim);
  outline-offset: 2px; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top;
  white-space: nowrap; }
th:first-child, td.reason { text-align: left; white-space: normal; }
th:first-child { position: sticky; left: 0; background: var(--page); padding-left: 0; }
tbody th { font-weight: 500; min-width: 7rem; max-width: 16rem; overflow-wrap: anywhere; }
@media (max-width: 45rem) { tbody th { max-width: 9rem; } }
td small { display: block; color: var(--dim); font-size: .75rem; }
pre { background: var(--field); border: 1px solid var(--rule); border-radius: 4px; padding: .75rem 1rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .875rem; user-select: all; }
details { margin: .75rem 0; } summary { cursor: pointer; }
dt { font-weight: 600; margin-top: .75rem; } dd { margin: 0; overflow-wrap: anywhere; }
@media print { details > *:not(summary) { display: block; } }
"""


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
        _section("Accuracy", accuracy(report, results)),
        _section("By slice", slices(report, results)),
        _section("Along time", [along_time(results)]),
        _section("Beyond accuracy", [beyond_accuracy(results)]),
        _section(
            "Predictions",
            [plain_table("AUC and log loss of probabilities, RMSE of ratings", "predictions", results)],
        ),
        _section("What was run", _run(report, results)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{_PAGE}{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _made(made_at: object) -> str:
    """When the report was made, to the minute; what is no ISO time stays as it is."""
    try:
        made = datetime.fromisoformat(str(made_at))
    except ValueError:
        return printable(made_at or "")
    return moment((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp() * 1000)


def _section(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


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

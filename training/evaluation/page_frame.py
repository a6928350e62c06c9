"""The frame of every report: one HTML page that stands alone, with no script and nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from training.evaluation.svg_parts import STYLE

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


def html_page(title: str, parts: Iterable[str]) -> str:
    """A page with its parts, which are HTML already; empty ones are left out. Its own policy forbids scripts
    and outside loads."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{_PAGE}{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, parts: Iterable[str]) -> str:
    """A part of a page under its heading; nothing where it would be empty."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""

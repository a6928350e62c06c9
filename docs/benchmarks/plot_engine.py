"""Draws engine.svg from engine.json, without a plotting library: `python docs/benchmarks/plot_engine.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
WIDTH, LABEL, ROW, BAR = 760, 250, 26, 16
COLOURS = {"ours": "#2f6f9f", "rival": "#b9c3cc"}


class Bar(NamedTuple):
    """One bar: what it stands for, its length in the figure's unit, and whose it is."""

    label: str
    value: float
    text: str
    whose: str


def charts(figures: dict[str, dict]) -> Iterator[tuple[str, list[Bar]]]:
    """The title and the bars of each chart."""
    rows = {run: {row["name"]: row for row in found["results"]} for run, found in figures.items()}

    def rate(run: str, name: str, label: str, key: str, whose: str = "ours") -> Bar:
        value = rows[run][name][key]
        return Bar(label, value, f"{value:,.0f}", whose)

    yield (
        "events a second, without a model (worker on one core)",
        [
            rate("touched", "worker", "Millstream, a list a touched user", "events_per_second"),
            rate("each", "worker", "Millstream, a list each event", "events_per_second"),
            rate("touched", "naive_faust", "naive Faust agent", "events_per_second", "rival"),
        ],
    )
    yield (
        "users scored a second (3,700 items, L = 50, d = 64, one core)",
        [
            rate("model", "worker_with_model", "the whole worker", "recommendations_per_second"),
            rate("model", "onnxruntime_alone", "onnxruntime alone", "recommendations_per_second", "rival"),
        ],
    )
    recovery = rows["recovery"]
    yield (
        "seconds to recover 100,000 users of 2.4 kB",
        [
            Bar(label, recovery[name]["recovery_s"], f"{recovery[name]['recovery_s']:.2g} s", whose)
            for name, label, whose in (
                ("recovery_warm", "Millstream, its disk kept", "ours"),
                ("recovery_cold", "Millstream, an empty disk", "ours"),
                ("stock_faust", "stock Faust, an empty disk", "rival"),
            )
        ],
    )


def svg(figures: dict[str, dict]) -> str:
    parts, y = [], 10
    for title, bars in charts(figures):
        y += 20
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
        longest = max(bar.value for bar in bars)
        for bar in bars:
            y += ROW
            length = max(bar.value / longest * (WIDTH - LABEL - 90), 1)
            parts.append(f'<text x="{LABEL - 10}" y="{y}" text-anchor="end">{escape(bar.label)}</text>')
            parts.append(
                f'<rect x="{LABEL}" y="{y - BAR + 4}" width="{length:.1f}" height="{BAR}" '
                f'fill="{COLOURS[bar.whose]}"/>'
            )
            parts.append(f'<text x="{LABEL + length + 6:.1f}" y="{y}">{escape(bar.text)}</text>')
        y += 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" '
        f'font-family="sans-serif" font-size="13" fill="#222">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    (HERE / "engine.svg").write_text(svg(json.loads((HERE / "engine.json").read_text())))

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
    """The title and the bars of each chart; one whose run is not in the figures is left out."""
    rows = {run: {row["name"]: row for row in found["results"]} for run, found in figures.items()}

    def bars(run: str, key: str, text: str, *names: tuple[str, str, str]) -> list[Bar]:
        found = rows.get(run, {})
        return [
            Bar(label, found[name][key], text.format(found[name][key]), whose)
            for name, label, whose in names
            if name in found
        ]

    every = [
        (
            "events a second, without a model (one core; 200-byte events)",
            bars(
                "compare",
                "events_per_second",
                "{:,.0f}",
                ("worker", "Millstream", "ours"),
                ("worker_exactly_once", "Millstream, exactly once", "ours"),
                ("bare_loop", "bare aiokafka + rocksdict loop", "rival"),
                ("quix_streams", "Quix Streams", "rival"),
                ("naive_faust", "naive Faust agent", "rival"),
            ),
        ),
        (
            "events a second, without a model, a list each event",
            bars(
                "each",
                "events_per_second",
                "{:,.0f}",
                ("worker", "Millstream", "ours"),
                ("naive_faust", "naive Faust agent", "rival"),
            ),
        ),
        (
            "users scored a second (3,700 items, L = 50, d = 64, one core)",
            bars(
                "model",
                "recommendations_per_second",
                "{:,.0f}",
                ("worker_with_model", "the whole worker", "ours"),
                ("onnxruntime_alone", "onnxruntime alone", "rival"),
            ),
        ),
        *(
            (
                f"ms from an event's moment to its recommendation, {title}",
                [
                    bar
                    for load, name in (("100 a second", "at_100_per_second"), ("half load", "half_load"))
                    for key, label, whose in (
                        ("p50_ms", "p50", "ours"),
                        ("p99_ms", "p99", "ours"),
                        ("broker_round_trip_p50_ms", "p50 of the broker alone", "rival"),
                    )
                    for bar in bars(run, key, "{:.1f}", (name, f"{load}, {label}", whose))
                ],
            )
            for run, title in (
                ("latency", "with a model"),
                ("latency_exactly_once", "with a model, exactly once"),
                ("latency_no_model", "without"),
            )
        ),
        (
            "seconds to recover 100,000 users of 2.4 kB",
            bars(
                "recovery",
                "recovery_s",
                "{:.2g} s",
                ("recovery_warm", "Millstream, its disk kept", "ours"),
                ("recovery_cold", "Millstream, an empty disk", "ours"),
            )
            + bars(
                "recovery_stock",
                "recovery_s",
                "{:.2g} s",
                ("stock_faust", "stock Faust, an empty disk", "rival"),
            ),
        ),
        (
            "seconds from kill -9 of one of two workers to its users' next lists (session of 6 s)",
            bars(
                "takeover",
                "take_over_s",
                "{:.1f} s",
                ("with_standby", "with a standby", "ours"),
                ("without_standby", "without", "ours"),
            ),
        ),
        (
            "CPU µs an event, by the number of users",
            [
                bar
                for count, label in ((10_000, "10,000 users"), (1_000_000, "1,000,000 users"))
                for bar in bars(
                    "growth", "cpu_us_per_event", "{:.0f}", (f"growth_{count}_users", label, "ours")
                )
            ],
        ),
    ]
    return ((title, found) for title, found in every if found)


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


def draw() -> None:
    """Draw engine.svg from engine.json."""
    (HERE / "engine.svg").write_text(svg(json.loads((HERE / "engine.json").read_text())))


if __name__ == "__main__":
    draw()

"""Figures as SVG, without a plotting library: bars and dots with intervals, lines along time.

Each drawing is one `<svg>` for an HTML page that holds `STYLE`; `standalone` makes a file of it. It scales
with the page, follows light and dark, tells nothing by colour alone, and has its figures as text in its
`aria-label`. Drawings are made for a width of 400 units, at which a telephone shows their text at its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from training.evaluation.report_figures import BEST
from training.evaluation.report_words import interval, moment, short
from training.evaluation.svg_parts import (
    LETTER,
    STYLE,
    WIDTH,
    cut,
    dates,
    drawing,
    scale,
    standalone,
    stroke,
    upright_grid,
    whisker,
)

__all__ = ["STYLE", "Figure", "Group", "Series", "bars", "dots", "lines", "standalone"]


class Figure(NamedTuple):
    """One model's figure, its interval and its mark (★, ≈ or nothing); what is not known is None."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    mark: str = ""

    def text(self) -> str:
        """★ .1720 (.1650–.1800)"""
        ends = interval(self.low, self.high)
        return " ".join(part for part in (self.mark, short(self.value), ends) if part)

    def ends(self) -> list[float]:
        """What the axis must reach."""
        return [end for end in (self.value, self.low, self.high) if end is not None]


class Group(NamedTuple):
    """A slice of the events: its name with its size, and a figure for each model."""

    heading: str
    figures: Sequence[Figure]


class Series(NamedTuple):
    """A model's figures along time: (ms since 1970, figure or None), in order of time."""

    name: str
    points: Sequence[tuple[float, float | None]]


def bars(title: str, figures: Sequence[Figure]) -> str:
    """Bars from zero in the order given, each under its name and figure, with its interval as a whisker."""
    low, high, ticks = scale([end for figure in figures for end in figure.ends()])
    parts: list[str] = []
    row, top = 42.0, 24.0
    bottom = top + row * len(figures)

    def x(value: float) -> float:
        return 2.0 + (value - low) / (high - low) * (WIDTH - 16)

    parts += upright_grid(ticks, x, top=top, bottom=bottom)

    for at, figure in enumerate(figures):
        y = top + row * at
        text = figure.text()
        room = WIDTH - len(text) * LETTER - 12
        parts.append(f"<g><title>{escape(f'{figure.name}: {text}')}</title>")
        strong = ' class="strong"' if figure.mark == BEST else ""
        parts.append(f'<text x="2" y="{y + 15:.0f}"{strong}>{escape(cut(figure.name, room))}</text>')
        parts.append(f'<text x="{WIDTH - 2:.0f}" y="{y + 15:.0f}" text-anchor="end">{escape(text)}</text>')
        if figure.value is not None:
            from_x, to_x = sorted((x(0.0), x(figure.value)))
            kind = "best" if figure.mark == BEST else "bar"
            parts.append(
                f'<rect class="{kind}" x="{from_x:.1f}" y="{y + 21:.1f}" width="{max(to_x - from_x, 1):.1f}" '
                'height="12"/>'
            )
            parts += whisker(figure.low, figure.high, x, y + 27)
        parts.append("</g>")
    return drawing(title, [f"{figure.name} {figure.text()}" for figure in figures], parts, height=bottom + 20)


def dots(title: str, groups: Sequence[Group]) -> str:
    """A dot with its interval for each model in each slice, all on one scale from zero."""
    low, high, ticks = scale([end for group in groups for figure in group.figures for end in figure.ends()])
    left, right, row = 148.0, WIDTH - 64, 19.0
    parts: list[str] = []
    y, top = 24.0, 24.0
    bottom = top + sum(30 + row * len(group.figures) for group in groups)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    parts += upright_grid(ticks, x, top=top, bottom=bottom)

    for group in groups:
        parts.append(f'<rect x="0" y="{y + 5:.0f}" width="{WIDTH:.0f}" height="20" fill="var(--paper)"/>')
        parts.append(
            f'<text class="strong" x="2" y="{y + 20:.0f}">{escape(cut(group.heading, WIDTH))}</text>'
        )
        y += 30
        for figure in group.figures:
            parts.append(f"<g><title>{escape(f'{group.heading}: {figure.name} {figure.text()}')}</title>")
            parts.append(
                f'<text class="small" x="10" y="{y + 11:.0f}">{escape(cut(figure.name, left - 16))}</text>'
            )
            parts.append(
                f'<text class="small" x="{WIDTH - 2:.0f}" y="{y + 11:.0f}" text-anchor="end">'
                f"{escape(f'{figure.mark} {short(figure.value)}'.strip())}</text>"
            )
            if figure.value is not None:
                parts += whisker(figure.low, figure.high, x, y + 7)
                parts.append(f'<circle class="dot" cx="{x(figure.value):.1f}" cy="{y + 7:.1f}" r="4"/>')
            parts.append("</g>")
            y += row
    told = [
        f"{group.heading}: " + ", ".join(f"{figure.name} {figure.text()}" for figure in group.figures)
        for group in groups
    ]
    return drawing(title, told, parts, height=bottom + 20)


def lines(
    title: str, series: Sequence[Series], *, retrained_at_ms: Sequence[float] = (), width: float = WIDTH
) -> str:
    """A line for each model (six can be told apart), vertical marks where the models were retrained."""
    found = [y for one in series for _, y in one.points if y is not None]
    times = [at for one in series for at, _ in one.points]
    low, high, ticks = scale(found)
    first, last = (min(times), max(times)) if times else (0.0, 1.0)
    span = (last - first) or 1.0
    left, right, top, bottom = 46.0, width - 14, 34.0, 234.0
    marks = [at for at in retrained_at_ms if first <= at <= last]

    def x(at: float) -> float:
        return left + (at - first) / span * (right - left)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    parts: list[str] = []
    for tick, label in ticks:
        parts.append(f'<path class="grid" d="M{left:.1f} {y(tick):.1f}H{right:.1f}"/>')
        parts.append(
            f'<text class="soft small" x="{left - 6:.1f}" y="{y(tick) + 4:.1f}" text-anchor="end">'
            f"{label}</text>"
        )
    parts += [f'<path class="retrain" d="M{x(at):.1f} {top:.1f}V{bottom:.1f}"/>' for at in marks]
    parts += dates(first, last, x, bottom, count=3 if width < 600 else 5) if times else []
    for at, one in enumerate(series):
        points = [(x(when), y(value)) if value is not None else None for when, value in one.points]
        drawn = stroke(at, points, marker_every=max(len(points) // 20, 1))
        parts.append(f"<g><title>{escape(one.name)}</title>{drawn}</g>")
    height = bottom + 30
    for at, one in enumerate(series):
        height += 20
        sample = [(left, height - 4.5), (left + 16, height - 4.5), (left + 32, height - 4.5)]
        parts.append(stroke(at, sample, marker_every=3))
        parts.append(
            f'<text x="{left + 42:.0f}" y="{height:.0f}">{escape(cut(one.name, right - left - 42))}</text>'
        )
    if marks:
        height += 20
        times_text = "once" if len(marks) == 1 else f"{len(marks)} times"
        parts.append(f'<path class="retrain" d="M{left + 16:.1f} {height - 13:.1f}v16"/>')
        parts.append(f'<text x="{left + 42:.0f}" y="{height:.0f}">retrained ({times_text})</text>')
    told = [f"from {moment(first)} to {moment(last)}"] if times else ["no figures"]
    for one in series:
        values = [value for _, value in one.points if value is not None]
        if values:
            told.append(
                f"{one.name} from {short(values[0])} to {short(values[-1])}, "
                f"lowest {short(min(values))}, highest {short(max(values))}"
            )
    if marks:
        told.append(f"retrained at {', '.join(map(moment, marks[:12]))}" + (" and later" * (len(marks) > 12)))
    return drawing(title, told, parts, height=height + 10, width=width)

"""The parts of the drawings in `plots.py`: style, frame, axis, whisker, stroke."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from rich.cells import cell_len, set_cell_size

WIDTH = 400.0
LETTER = 7.4  # units that one letter takes, on average and with some air

STYLE = """
svg { --ink: #1b1f24; --soft: #59636e; --grid: #d5dae0; --paper: #ffffff; --bar: #a9bccd; --best: #5b93c4;
  --l0: #0b5c9e; --l1: #b3470a; --l2: #23743a; --l3: #8437ae; --l4: #8a6500; --l5: #4b5563;
  font-family: system-ui, sans-serif; font-size: 13px; fill: var(--ink); }
@media (prefers-color-scheme: dark) { svg { --ink: #e6e9ed; --soft: #a3acb6; --grid: #3a424b; 
  --paper: #14181d;  --bar: #4d6072; --best: #3b79ad;
  --l0: #6cb4f0; --l1: #f39a5b; --l2: #6fca86; --l3: #cb97ee; --l4: #dcb84c; --l5: #aab3bd; } }
svg text { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
svg .soft { fill: var(--soft); } svg .small { font-size: 11.5px; } svg .strong { font-weight: 600; }
svg .grid { stroke: var(--grid); stroke-width: 1; fill: none; }
svg .bar { fill: var(--bar); } svg .best { fill: var(--best); }
svg .halo { stroke: var(--paper); stroke-width: 4; fill: none; }
svg .whisker { stroke: var(--ink); stroke-width: 1.6; fill: none; }
svg .dot { fill: var(--ink); stroke: var(--paper); stroke-width: 1; }
svg .retrain { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 2 3; }
svg .cell { font-size: 9px; }
svg .line { stroke-width: 2; fill: none; stroke-linejoin: round; }
"""

_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2")
# Each a path from its middle: circle, square, triangle, diamond, cross, bar.
_MARKERS = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "m-3.5 -3.5h7v7h-7z",
    "m0 -5l4.5 8h-9z",
    "m0 -5l5 5l-5 5l-5 -5z",
    "m-4 -4l8 8m0 -8l-8 8",
    "m0 -5v10",
)


def standalone(svg: str) -> str:
    """A drawing as an SVG file of its own, with its style and its background."""
    head, _, rest = svg.partition(">")
    ground = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>{ground}{rest}\n'


def drawing(
    title: str, told: Iterable[str], parts: Iterable[str], *, height: float, width: float = WIDTH
) -> str:
    label = escape(f"{title}. " + "; ".join(told) + ".")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}">\n<text class="strong" x="2" y="15">{escape(cut(title, width))}</text>\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def cut(text: str, room: float) -> str:
    """The text, ending in "…" where it takes more than the room. Wide (East Asian) letters count twice."""
    most = max(int(room / LETTER), 2)
    return text if cell_len(text) <= most else set_cell_size(text, most - 1).rstrip() + "…"


def scale(values: Sequence[float]) -> tuple[float, float, list[tuple[float, str]]]:
    """The axis from zero (or below, if a value is) to a round figure past the highest, and its ticks."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low == 0:
        high = 1.0
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    factor = next(size for size in (1, 2, 5, 10) if size * power >= (high - low) / 4)
    step = factor * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(-math.floor(math.log10(step) + 1e-9), 0)
    ticks = [(at * step, _tick(at * step, digits)) for at in range(first, last + 1)]
    return ticks[0][0], ticks[-1][0], ticks


def _tick(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    return ("−" if value < 0 else "") + f"{abs(value):,.{digits}f}".removeprefix("0")


def upright_grid(
    ticks: Sequence[tuple[float, str]], x: Callable[[float], float], *, top: float, bottom: float
) -> list[str]:
    """A vertical line for each tick with its text below."""
    parts = []
    for value, text in ticks:
        anchor = "start" if x(value) < 20 else "middle"
        parts.append(f'<path class="grid" d="M{x(value):.1f} {top:.1f}V{bottom:.1f}"/>')
        parts.append(
            f'<text class="soft small" x="{x(value):.1f}" y="{bottom + 14:.1f}" text-anchor="{anchor}">'
            f"{text}</text>"
        )
    return parts


def whisker(low: float | None, high: float | None, x: Callable[[float], float], y: float) -> list[str]:
    """An interval with its two ends, on a halo that parts it from what lies under it."""
    if low is None or high is None:
        return []
    path = f"M{x(low):.1f} {y - 4:.1f}v8m0 -4H{x(high):.1f}m0 -4v8"
    return [f'<path class="{kind}" d="{path}"/>' for kind in ("halo", "whisker")]


def dates(first_ms: float, last_ms: float, x: Callable[[float], float], y: float, *, count: int) -> list[str]:
    """So many dates (hours where it is less than three days) under the axis, the outer ones inside it."""
    span = last_ms - first_ms
    count = count if span else 1
    parts = []
    for at in range(count):
        when = first_ms + span * at / max(count - 1, 1)
        anchor = "start" if at == 0 else "end" if at == count - 1 else "middle"
        form = "%Y-%m-%d" if span > 3 * 86_400_000 else "%m-%d %H:%M"
        try:
            text = datetime.fromtimestamp(when / 1000, UTC).strftime(form)
        except (OverflowError, ValueError, OSError):
            text = f"{when:.0f} ms"
        parts.append(f'<path class="grid" d="M{x(when):.1f} {y:.1f}v5"/>')
        parts.append(
            f'<text class="soft small" x="{x(when):.1f}" y="{y + 18:.1f}" text-anchor="{anchor}">'
            f"{text}</text>"
        )
    return parts


def stroke(style: int, points: Sequence[tuple[float, float] | None], *, marker_every: int = 1) -> str:
    """A line with one of six dashes, markers and colours, broken where a point is not known."""
    style %= len(_DASHES)
    path, pen_down = [], False
    for point in points:
        if point is not None:
            path.append(f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}")
        pen_down = point is not None
    if not path:
        return ""
    colour, dash = f"var(--l{style})", f' stroke-dasharray="{_DASHES[style]}"' if _DASHES[style] else ""
    marked = "".join(
        f"M{point[0]:.1f} {point[1]:.1f}{_MARKERS[style]}"
        for at, point in enumerate(points)
        if point is not None and at % marker_every == marker_every // 2
    )
    return (
        f'<path class="line" stroke="{colour}"{dash} d="{"".join(path)}"/>'
        f'<path fill="{colour}" stroke="{colour}" d="{marked}"/>'
    )

"""Learning curves: a figure per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from training.evaluation.report_words import short
from training.evaluation.svg_parts import WIDTH, drawing, scale, stroke

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, WIDTH - 14, 34.0, 214.0


def curve(name: str, figures: Sequence[float], *, style: int = 0, from_zero: bool = True) -> str:
    """One figure along the epochs, which count from 1. A loss is drawn without its way from zero, where
    nothing would be left of its changes."""
    base = 0.0 if from_zero else min(figures, default=0.0)
    low, high, ticks = scale([figure - base for figure in figures])
    last = max(len(figures), 2)

    def x(epoch: float) -> float:
        return _LEFT + (epoch - 1) / (last - 1) * (_RIGHT - _LEFT)

    def y(value: float) -> float:
        return _BOTTOM - (value - base - low) / (high - low) * (_BOTTOM - _TOP)

    parts = []
    for tick, _ in ticks:
        parts.append(f'<path class="grid" d="M{_LEFT:.1f} {y(tick + base):.1f}H{_RIGHT:.1f}"/>')
        parts.append(
            f'<text class="soft small" x="{_LEFT - 6:.1f}" y="{y(tick + base) + 4:.1f}" text-anchor="end">'
            f"{escape(short(tick + base))}</text>"
        )
    for epoch in sorted({1, (len(figures) + 1) // 2, len(figures)} - {0}):
        parts.append(
            f'<text class="soft small" x="{x(epoch):.1f}" y="{_BOTTOM + 18:.1f}" text-anchor="middle">'
            f"{epoch}</text>"
        )
    points = [(x(epoch), y(figure)) for epoch, figure in enumerate(figures, start=1)]
    parts.append(stroke(style, points, marker_every=max(len(points) // 20, 1)))
    told = [f"epoch {epoch}: {short(figure)}" for epoch, figure in enumerate(figures, start=1)]
    return drawing(f"{name} by epoch", told, parts, height=_BOTTOM + 26)

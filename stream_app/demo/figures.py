"""Figures as the demo shows them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"


def figure(rate: float | None) -> str:
    """A rate, or a dash where nothing was measured."""
    return "–" if rate is None else f"{rate:.4f}"


def milliseconds(value: float | None) -> str:
    """A time, or a dash where nothing was measured."""
    return "–" if value is None else f"{value:,.0f} ms"

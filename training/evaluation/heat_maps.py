"""A matrix of attention drawn as cells of one colour, darker where it is higher."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from training.evaluation.attention_maps import EVENTS
from training.evaluation.svg_parts import cut, drawing

_CELL = 19.0
_TOP = 26.0
_LABELS = 150.0
MEANING = (
    "<p>Each row is an event: how the attention lies on it and on what came before, as the worker would have "
    "been told at that moment (last block, mean over heads). It is a hint at why, not a proof.</p>"
)


def heat_map(title: str, labels: Sequence[str], matrix: NDArray[np.floating]) -> str:
    """A square matrix [n, n] of shares, 0 to 1, with a label for each row; columns bear the rows' numbers.

    Each cell is as dark as its part of the row's highest, so that a row of even shares shows as one. The
    share itself is told when a pointer rests on it, and cells of 20 % and more have it written in.
    """
    size = len(labels)
    highest = np.maximum(matrix.max(axis=1, initial=0.0), 1e-9)
    parts = []
    for row, label in enumerate(labels):
        y = _TOP + row * _CELL
        parts.append(
            f'<text class="small" x="{_LABELS - 24:.0f}" y="{y + 13.5:.1f}" text-anchor="end">'
            f"{escape(cut(label, _LABELS - 26))}</text>"
            f'<text class="soft small" x="{_LABELS - 5:.0f}" y="{y + 13.5:.1f}" text-anchor="end">'
            f"{row + 1}</text>"
        )
        for column in range(size):
            share = float(matrix[row, column])
            if share > 0:
                parts.append(_cell(row, column, labels, share, share / float(highest[row])))
    bottom = _TOP + size * _CELL
    for column in range(size):
        x = _LABELS + (column + 0.5) * _CELL
        parts.append(
            f'<text class="soft small" x="{x:.1f}" y="{bottom + 13:.1f}" text-anchor="middle">'
            f"{column + 1}</text>"
        )
    told = [
        f"{label} looks most at {labels[int(matrix[row].argmax())]} ({matrix[row].max():.0%})"
        for row, label in enumerate(labels)
        if matrix[row].any()
    ]
    # Side by side all are drawn to one scale: a short history must not be a large one's size.
    width = _LABELS + max(size, EVENTS) * _CELL + 4
    return drawing(title, told, parts, height=bottom + 20, width=width)


def _cell(row: int, column: int, labels: Sequence[str], share: float, darkness: float) -> str:
    x, y = _LABELS + column * _CELL, _TOP + row * _CELL
    told = escape(f"{labels[row]} → {labels[column]}: {share:.1%}")
    cell = (
        f'<rect class="best" x="{x:.1f}" y="{y:.1f}" width="{_CELL - 1:.0f}" height="{_CELL - 1:.0f}" '
        f'fill-opacity="{darkness:.2f}"><title>{told}</title></rect>'
    )
    if share < 0.2:
        return cell
    return cell + (
        f'<text class="cell" x="{x + (_CELL - 1) / 2:.1f}" y="{y + 12.5:.1f}" text-anchor="middle">'
        f"{share * 100:.0f}</text>"
    )

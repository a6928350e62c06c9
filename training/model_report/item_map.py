"""The catalogue on a plane: items that the model takes for alike lie close together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from training.evaluation.svg_parts import LETTER, cut, drawing

_SIZE = 720.0
_KINDS = 6
_NAMED = 30
MAPPED = 1500
"""Items drawn, the most frequent ones: more would be a cloud, and take minutes to lay out."""


def positions(vectors: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float64]:
    """Vectors [n, d] → places [n, 2] in 0…1, by t-SNE on their directions (van der Maaten and Hinton, 2008).

    Neighbours are to be trusted, distances between far groups are not. Fewer than 5 items are laid out by
    their main axes alone.
    """
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    if len(vectors) < 5:
        centred = directions - directions.mean(0)
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
        found = np.zeros((len(vectors), 2))
        found[:, : len(axes)] = centred @ axes.T
    else:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(vectors) - 1) / 4)
        found = TSNE(
            perplexity=perplexity, init="pca" if vectors.shape[1] > 1 else "random", random_state=seed
        ).fit_transform(directions)
    span = np.maximum(found.max(0) - found.min(0), 1e-9)
    placed: NDArray[np.float64] = (found - found.min(0)) / span
    return placed


def item_map(
    vectors: NDArray[np.float32], titles: Sequence[str], kinds: Sequence[str | None], *, seed: int = 0
) -> str:
    """A dot for each item [n], most frequent first.

    Its colour is its kind, where that is one of the six commonest; its title is told when a pointer rests on
    it, and written beside the first ones where there is room.
    """
    place = positions(vectors, seed=seed) * (_SIZE - 40.0) + 20.0
    common = [kind for kind, _ in Counter(kind for kind in kinds if kind).most_common(_KINDS)]
    parts = []
    for (x, y), title, kind in zip(place.tolist(), titles, kinds, strict=True):
        colour = f"var(--l{common.index(kind)})" if kind in common else "var(--soft)"
        told = escape(f"{title} ({kind})" if kind else title)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y + 20:.1f}" r="3.5" fill="{colour}" fill-opacity=".75">'
            f"<title>{told}</title></circle>"
        )
    parts += _names(place, titles)
    for number, kind in enumerate(common):
        x, y = 10 + 235 * (number % 3), _SIZE + 38 + 20 * (number // 3)
        parts.append(f'<circle cx="{x:.0f}" cy="{y - 4:.0f}" r="5" fill="var(--l{number})"/>')
        parts.append(f'<text x="{x + 10:.0f}" y="{y:.0f}">{escape(cut(kind, 215))}</text>')
    return drawing(
        "Items that the model takes for alike",
        [f"{len(titles)} items, the commonest kinds are {', '.join(common) or 'not told'}"],
        parts,
        height=_SIZE + 30 + 20 * -(-len(common) // 3) + 10,
        width=_SIZE,
    )


def _names(place: NDArray[np.float64], titles: Sequence[str]) -> list[str]:
    """The first titles that do not lie on one another."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    for (x, y), title in zip(place.tolist(), titles, strict=True):
        text = cut(title, 170)
        width = len(text) * LETTER * 0.88
        left = min(x + 6, _SIZE - width)
        if any(abs(y - y2) < 14 and left < right2 and left + width > left2 for left2, right2, y2 in taken):
            continue
        taken.append((left, left + width, y))
        parts.append(f'<text class="small" x="{left:.1f}" y="{y + 24:.1f}">{escape(text)}</text>')
        if len(taken) == _NAMED:
            break
    return parts

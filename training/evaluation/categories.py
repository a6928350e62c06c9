"""Which categories each item has, as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse


def categories_of(fields: Mapping[str, Any]) -> list[str]:
    """An item's categories (or genres, as films have), given as a list or as text with bars between them."""
    given = fields.get("categories") or fields.get("genres") or []
    return [one for one in (given.split("|") if isinstance(given, str) else map(str, given)) if one]


def category_matrix(items: Sequence[str], fields: Mapping[str, Mapping[str, Any]]) -> sparse.csr_array | None:
    """bool [items, categories]; None where no item has any."""
    columns: dict[str, int] = {}
    rows, places = [], []
    for row, item in enumerate(items):
        for category in categories_of(fields.get(item, {})):
            rows.append(row)
            places.append(columns.setdefault(category, len(columns)))
    if not columns:
        return None
    marks = np.ones(len(rows), dtype=bool)
    return sparse.csr_array((marks, (rows, places)), shape=(len(items), len(columns)))

"""Rows of a table of items, whatever columns it has → items, as a worker knows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from stream_app.domain.messages import Item
from training.evaluation.categories import categories_of

_NOT_FEATURES = {"item_id", "title", "domain", "categories", "genres", "features", "embedding", "available"}
_NOT_FEATURES |= {"published_at"}


def items_of_rows(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Item]:
    """By item id. A column that is no field of an item is a feature, where it holds texts or numbers; what
    cannot be read counts as absent."""
    return {item_id: _item(item_id, row) for item_id, row in rows.items()}


def _item(item_id: str, row: Mapping[str, Any]) -> Item:
    given = {name: value for name, value in row.items() if name not in _NOT_FEATURES}
    features = row.get("features")
    if isinstance(features, Mapping):
        given |= features
    return Item(
        item_id=item_id,
        title=_text(row.get("title")),
        domain=_text(row.get("domain")),
        categories=tuple(categories_of(row)),
        features={
            str(name): value if isinstance(value, str) else _number(value)
            for name, value in given.items()
            if isinstance(value, str | int | float)
        },
        embedding=_numbers(row.get("embedding")),
        published_at=_moment_ms(row.get("published_at")),
    )


def _moment_ms(value: Any) -> int | None:
    """Milliseconds since the epoch, of such a number or a date; one without a zone is in UTC."""
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, date):
        return _moment_ms(datetime(value.year, value.month, value.day))
    at = _number(value)
    return round(at) if math.isfinite(at) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    return tuple(map(_number, value))


def _number(value: Any) -> float:
    """NaN where it is none, or has no place in a float."""
    try:
        return float(value) if isinstance(value, int | float) else float("nan")
    except OverflowError:
        return float("nan")

"""The circumstances of a moment, as codes that a model can look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

BUCKETS = 4096
"""Codes for the fields of an event's own context, 1 to 4096; two values may share one."""
HOURS, WEEKDAYS = 24, 7
MOMENT_COLUMNS = 2
"""The hour and the weekday come before the event's own fields."""

Scalar = str | int | float | bool
Context = Mapping[str, Scalar | None] | None
"""The circumstances of an event, as it tells them; None where it tells none."""

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def moment_codes(now_ms: NDArray[np.int64]) -> NDArray[np.int32]:
    """UTC hour, 1 to 24, and weekday, 1 (Monday) to 7, of moments.

    `now_ms` int64 […], ms since the epoch → int32 […, 2]
    """
    hour = now_ms // _HOUR_MS % HOURS + 1
    weekday = (now_ms // _DAY_MS + _FIRST_WEEKDAY) % WEEKDAYS + 1
    return np.stack([hour, weekday], axis=-1).astype(np.int32)


def context_codes(
    now_ms: Sequence[int] | NDArray[np.int64],
    contexts: Sequence[Context] | None,
    fields: Sequence[str],
) -> NDArray[np.int32]:
    """Moments [n] and the contexts of their events → int32 [n, 2 + fields], as a graph takes them."""
    moments = moment_codes(np.asarray(now_ms, dtype=np.int64))
    if not fields:
        return moments
    own = np.zeros((len(moments), len(fields)), dtype=np.int32)
    for row, context in enumerate(contexts or ()):
        if context:
            own[row] = field_codes(context, fields)
    return np.concatenate([moments, own], axis=1)


def context_columns(fields: Sequence[str] | None) -> int:
    """C for a model that reads these fields after the moment; 0 for None, without a context."""
    return 0 if fields is None else MOMENT_COLUMNS + len(fields)


def field_codes(context: Context, fields: Sequence[str]) -> list[int]:
    """The codes of an event's own fields, in their order."""
    told = context or {}
    return [field_code(name, told.get(name)) for name in fields]


def field_code(name: str, value: Scalar | None) -> int:
    """The code of a field's value: xxh3-64 of "name=value" in UTF-8, cut to 1…4096; 0 where there is none.

    Numbers count as their shortest decimal form, whole ones without a point: 3 and 3.0 are the same.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))
    else:
        text = str(value)
    return xxh3_64_intdigest(f"{name}={text}".encode(errors="replace")) % BUCKETS + 1

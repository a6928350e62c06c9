"""Figures, times and names as they are written in an evaluation's report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

UNKNOWN = "–"

_LABELS = {"hr": "HR", "ndcg": "NDCG", "mrr": "MRR", "map": "MAP", "f1": "F1", "auc": "AUC", "rmse": "RMSE"}


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def short(value: object) -> str:
    """Four decimals below 1 (without the zero before the point), four digits above."""
    found = number(value)
    if found is None:
        return UNKNOWN
    size = abs(found)
    sign = "−" if found < 0 else ""
    if size == 0:
        return "0"
    if size < 0.00005:
        return f"{sign}<.0001"
    if size < 1:
        return sign + f"{size:.4f}".removeprefix("0")
    return sign + f"{size:,.{max(3 - int(math.log10(size)), 0)}f}"


def counted(value: object) -> str:
    """A whole number with its thousands apart."""
    found = number(value)
    return UNKNOWN if found is None else f"{found:,.0f}"


def interval(low: object, high: object) -> str:
    """(.1650–.1800), or nothing where an end is not known."""
    if number(low) is None or number(high) is None:
        return ""
    return f"({short(low)}–{short(high)})"


def with_interval(found: object) -> str:
    """{value, low, high} as .1720 (.1650–.1800)."""
    if not isinstance(found, Mapping):
        return short(found)
    if number(found.get("value")) is None:
        return UNKNOWN
    return f"{short(found['value'])} {interval(found.get('low'), found.get('high'))}".rstrip()


def seconds(value: object) -> str:
    """Seconds to a tenth."""
    found = number(value)
    return UNKNOWN if found is None else f"{found:,.1f}"


def moment(at_ms: object) -> str:
    """Ms since 1970 as a UTC date and time to the minute."""
    found = number(at_ms)
    if found is None:
        return UNKNOWN
    try:
        return datetime.fromtimestamp(found / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{found:.0f} ms"


def printable(text: object) -> str:
    """Text without control characters and lone surrogates: neither a terminal nor XML takes them."""
    return "".join(sign if sign.isprintable() else "�" for sign in str(text))


def metric_label(metric: str) -> str:
    """ndcg@10 → NDCG@10, log_loss → log loss."""
    name, at, k = metric.partition("@")
    return printable(_LABELS.get(name, name.replace("_", " ")) + at + k)


def listed(names: Sequence[str], most: int = 5) -> str:
    """a, b and c; at most so many by name."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)

"""Judged events → the rows of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from training.evaluation.metrics import METRICS, figure
from training.evaluation.prequential import Judged


def rows(results: Iterable[Judged], *, protocol: str, ks: Sequence[int]) -> list[dict[str, Any]]:
    """{model, protocol, metrics: {"hr@10": {value, low, high}, …}, users, events, seconds}, a row each."""
    return [
        {
            "model": judged.name,
            "protocol": protocol,
            "metrics": {
                f"{name}@{k}": asdict(figure(gains(judged.rank, k), judged.user))
                for k in ks
                for name, gains in METRICS.items()
            },
            "users": len(set(judged.user.tolist())),
            "events": len(judged.rank),
            "skipped": judged.skipped,
            "seconds": round(judged.seconds, 3),
        }
        for judged in results
    ]


def as_text(table: Sequence[dict[str, Any]]) -> str:
    """The rows for people: a line each, the metrics with their intervals."""
    if not table:
        return "nothing was judged"
    names = list(table[0]["metrics"])
    width = max(len("model"), *(len(row["model"]) for row in table))
    lines = ["  ".join(["model".ljust(width), *(name.ljust(23) for name in names)]).rstrip()]
    for row in table:
        cells = [
            f"{m['value']:.4f} ({m['low']:.4f}–{m['high']:.4f})".ljust(23) for m in row["metrics"].values()
        ]
        lines.append("  ".join([row["model"].ljust(width), *cells]).rstrip())
    first = table[0]
    skipped = ", ".join(f"{count} {reason}" for reason, count in first["skipped"].items()) or "none"
    lines.append(f"{first['events']} events of {first['users']} users; left out: {skipped}")
    return "\n".join(lines)

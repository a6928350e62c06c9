"""Reports made up for tests, in the form that `millstream evaluate --json` prints."""

from __future__ import annotations

import math
from typing import Any

DAY_MS = 86_400_000
START_MS = 956_700_000_000
MODELS = ("attention", "session-knn", "item-knn", "als", "neumf", "popularity 7 days", "popularity", "random")


def figure(value: float, width: float = 0.008) -> dict[str, float]:
    """A figure with an interval of that half-width."""
    return {"value": value, "low": max(value - width, 0.0), "high": value + width}


def metrics(ndcg: float, k: int, width: float = 0.008) -> dict[str, dict[str, float]]:
    """Every metric at k, in the proportions that one target an event gives."""
    factors = {"hr": 1.75, "ndcg": 1, "mrr": 0.8, "map": 0.8, "precision": 0.175, "recall": 1.75, "f1": 0.3}
    return {
        **{f"{name}@{k}": figure(ndcg * by, width * by) for name, by in factors.items()},
        f"accuracy@{k}": figure(0.99),
    }


def against(best: str, lost: float, ks: list[int], names: tuple[str, ...] = ("hr", "ndcg")) -> dict[str, Any]:
    """The paired test's outcome for each of these metrics."""
    one = {
        "best": best,
        "difference": -lost,
        "low": -lost - 0.006,
        "high": -lost + 0.006,
        "p": 0.5 if lost < 0.006 else 0.001,
        "within_noise": lost < 0.006,
    }
    return {f"{name}@{k}": one for k in ks for name in names}


def result(
    name: str, ndcg: float, *, ks: list[int], best: tuple[str, float], prequential: bool, row: int = 0
) -> dict[str, Any]:
    """One model's row."""
    share = 0.25 if name == "session-knn" else 1
    slices = {
        "history length": [("1–5", 1204), ("6–20", 2310), ("21–50", 1816), ("over 50", 710)],
        "target's training count": [("0", 12), ("1–10", 342), ("over 10", 5686)],
        "user's training events": [("1–20", 2011), ("21–200", 3100), ("over 200", 929)],
    }
    return {
        "model": name,
        "protocol": "prequential" if prequential else "leave-one-out",
        "metrics": {key: value for k in ks for key, value in metrics(ndcg, k).items()},
        "over_users": {f"ndcg@{k}": ndcg * 0.98 for k in ks} | {f"hr@{k}": ndcg * 1.7 for k in ks},
        "beyond_accuracy": {
            key: value
            for k in ks
            for key, value in {
                f"coverage@{k}": min(0.1 + 4 * ndcg, 1.0),
                f"novelty@{k}": 9.1 + row / 3,
                f"diversity@{k}": 0.7 if row % 2 else None,
                f"gini@{k}": 0.9 - ndcg,
                f"popularity_lift@{k}": 1.2 + row / 5,
            }.items()
        },
        "predictions": {"auc": 0.91, "log_loss": 0.31} if name in ("attention", "neumf") else {},
        "slices": {
            kind: [
                {
                    "name": part,
                    "events": int(events * share),
                    "metrics": {
                        "ndcg@10": figure(ndcg * (0.6 + 0.25 * at), 0.5 / math.sqrt(events)),
                        "hr@10": figure(1.7 * ndcg * (0.6 + 0.25 * at), 0.6 / math.sqrt(events)),
                    },
                }
                for at, (part, events) in enumerate(parts)
            ]
            for kind, parts in slices.items()
        },
        "along_time": [
            {
                "from_ms": START_MS + at * 10 * DAY_MS,
                "to_ms": START_MS + (at + 1) * 10 * DAY_MS,
                "events": 500 + 17 * at,
                "metrics": {"hr@10": 1.75 * ndcg * (1 + 0.18 * math.sin(at * 0.9 + row)) + 0.002 * (at % 5)},
            }
            for at in range(24)
        ]
        if prequential
        else [],
        "retrained_at_ms": [START_MS + at * 48 * DAY_MS for at in range(1, 5)] if prequential else [],
        "users": int(6040 * share),
        "events": int(6040 * share),
        "skipped": {"seen before": 3},
        "sample": share if share < 1 else None,
        "seconds": {"fit": 12.1 * (row + 1), "score": 3.2},
        "not_applicable": None,
        "against_best": against(best[0], best[1] - ndcg, ks),
    }


def without(name: str, reason: str) -> dict[str, Any]:
    """The row of a model that does not apply."""
    return {
        "model": name,
        "protocol": "leave-one-out",
        "metrics": {},
        "over_users": {},
        "beyond_accuracy": {},
        "predictions": {},
        "slices": {},
        "along_time": [],
        "retrained_at_ms": [],
        "users": 0,
        "events": 0,
        "skipped": {},
        "sample": None,
        "seconds": {},
        "not_applicable": reason,
        "against_best": {},
    }


def report(
    names: tuple[str, ...] = MODELS, *, ks: tuple[int, ...] = (10,), prequential: bool = False
) -> dict[str, Any]:
    """Models that come one after another in accuracy, the second within noise of the first; one is n/a."""
    levels = [0.172, 0.1695, 0.151, 0.143, 0.139, 0.066, 0.0589, 0.0021]
    levels += [0.05 - 0.002 * at for at in range(len(names))]
    results = [
        result(
            name,
            levels[at],
            ks=list(ks),
            best=(names[0], levels[0]),
            prequential=prequential,
            row=at,
        )
        for at, name in enumerate(names)
    ]
    for at, name in enumerate(names):
        if name == "popularity 7 days" and not prequential:
            results[at] = without(name, "the log has no times")
    protocol = "prequential" if prequential else "leave-one-out"
    return {
        "protocol": protocol,
        "definition": "Every user's last item is the test, the one before it the validation; all items are "
        "ranked, those that the user has seen are left out.",
        "command": f"millstream evaluate --protocol {protocol} --events ml-1m/leave_one_out.txt.gz --k 10 "
        "--seed 0 --report out.html",
        "data": {
            "source": "ml-1m/leave_one_out.txt.gz",
            "interactions": 999611,
            "users": 6040,
            "items": 3416,
            "first_timestamp": START_MS if prequential else None,
            "last_timestamp": START_MS + 240 * DAY_MS if prequential else None,
            "rejected": {"no item": 2, "time is not a number": 1},
            "filters": ["5-core: 6,034 users, 3,260 items, 999,000 interactions left"],
        },
        "seed": 0,
        "versions": {"millstream": "0.1.0", "torch": "2.9.1", "numpy": "2.3.4"},
        "made_at": "2026-11-24T10:00:00Z",
        "ks": list(ks),
        "results": results,
    }

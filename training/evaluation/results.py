"""What was answered → the rows of a comparison, with every figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.evaluation.beyond_accuracy import (
    coverage,
    diversity,
    exposure_gini,
    novelty,
    popularity_lift,
)
from training.evaluation.intervals import figure, mean_over_users, paired
from training.evaluation.judged import Asked, Judged
from training.evaluation.metrics import METRICS, accuracies
from training.evaluation.plan import Plan
from training.evaluation.predictions import auc, log_loss, rmse
from training.evaluation.slices import QuestionFacts, slices

Gains = Callable[[NDArray[np.int64], int], NDArray[np.float64]]

_SLICED = ("ndcg", "hr")
_PERIODS = 20


def rows_of(
    plan: Plan,
    asked: Asked,
    judged: Sequence[Judged],
    *,
    ks: Sequence[int],
    categories: sparse.csr_array | None = None,
    sampled: int | None = None,
) -> list[dict[str, Any]]:
    """A row for each recommender, as `millstream evaluate --json` gives it.

    categories  bool [items, categories], where items have any
    `sampled`: among how many drawn items targets were ranked, where it was not the whole catalogue.
    """
    rows = [_row(plan, asked, one, ks=ks, categories=categories, sampled=sampled) for one in judged]
    _compare_with_best(rows, judged, ks)
    return rows


def _row(
    plan: Plan,
    asked: Asked,
    one: Judged,
    *,
    ks: Sequence[int],
    categories: sparse.csr_array | None,
    sampled: int | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": one.name,
        "protocol": plan.protocol,
        "metrics": {},
        "over_users": {},
        "beyond_accuracy": {},
        "predictions": {},
        "slices": {},
        "along_time": [],
        "retrained_at_ms": list(plan.retrained_at_ms),
        "users": len(np.unique(one.user)),
        "events": len(one.rank),
        "skipped": dict(asked.skipped),
        "sample": one.sample,
        "sampled_items": sampled,
        "seconds": dict(one.seconds),
        "not_applicable": one.not_applicable,
        "against_best": {},
    }
    # Of nothing there are no figures: a 0 would be read as one.
    if one.not_applicable is None and len(one.rank):
        gains = _gains(len(plan.log.items) if sampled is None else sampled + 1)
        by_name = {f"{name}@{k}": gain(one.rank, k) for k in ks for name, gain in gains.items()}
        leading = {f"{name}@{k}": by_name[f"{name}@{k}"] for k in ks for name in _SLICED}
        row["metrics"] = {name: asdict(figure(values, one.user)) for name, values in by_name.items()}
        row["over_users"] = {name: mean_over_users(values, one.user) for name, values in by_name.items()}
        row["beyond_accuracy"] = {} if sampled else _beyond(asked, one, ks=ks, categories=categories)
        row["predictions"] = _predictions(one)
        row["slices"] = _slices(asked, one, leading)
        row["along_time"] = _along_time(asked, one, leading) if plan.retrained_at_ms else []
    return row


def _gains(items: int) -> dict[str, Gains]:
    return {**METRICS, "accuracy": lambda rank, k: accuracies(rank, k, items=items)}


def _beyond(
    asked: Asked, one: Judged, *, ks: Sequence[int], categories: sparse.csr_array | None
) -> dict[str, float | None]:
    items = asked.item_counts.shape[1]
    fits = [np.flatnonzero(asked.fit[one.chosen] == fit) for fit in range(len(asked.item_counts))]
    popularity = asked.history_popularity[one.chosen]
    found: dict[str, float | None] = {}
    for k in ks:
        lists = one.lists[:, :k]
        # What is popular is what was so in that which the list's own fit had learnt from.
        by_fit = [
            (lists[of], counts, popularity[of]) for of, counts in zip(fits, asked.item_counts, strict=True)
        ]
        bits = [novelty(own, counts) for own, counts, _ in by_fit]
        lifts = [popularity_lift(*one) for one in by_fit]
        found[f"coverage@{k}"] = coverage(lists, items=items)
        found[f"novelty@{k}"] = _mean(bits, fits)
        found[f"diversity@{k}"] = diversity(lists, categories)
        found[f"gini@{k}"] = exposure_gini(lists, items=items)
        found[f"popularity_lift@{k}"] = _mean(lifts, fits)
    return found


def _mean(values: Sequence[float | None], fits: Sequence[NDArray[np.int64]]) -> float | None:
    """Over fits, each by its questions; those without a value are left out."""
    told = [(value, len(of)) for value, of in zip(values, fits, strict=True) if value is not None]
    return sum(value * size for value, size in told) / sum(size for _, size in told) if told else None


def _predictions(one: Judged) -> dict[str, float | None]:
    found: dict[str, float] = {}
    if one.probabilities is not None:
        of_target, of_drawn = one.probabilities.T
        found |= {"auc": auc(of_target, of_drawn), "log_loss": log_loss(of_target, of_drawn)}
    if one.ratings is not None and len(one.ratings):
        found["rmse"] = rmse(*one.ratings.T)
    # NaN, of a model that diverged, is no JSON.
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _slices(
    asked: Asked, one: Judged, gains: dict[str, NDArray[np.float64]]
) -> dict[str, list[dict[str, Any]]]:
    facts = QuestionFacts(
        history_length=asked.history_length[one.chosen],
        item_count=asked.item_count[one.chosen],
        user_count=asked.user_count[one.chosen],
    )
    return {
        by: [
            {
                "name": name,
                "events": int(mask.sum()),
                "metrics": {of: asdict(figure(values[mask], one.user[mask])) for of, values in gains.items()},
            }
            for name, mask in parts
            if mask.any()
        ]
        for by, parts in slices(facts).items()
    }


def _along_time(asked: Asked, one: Judged, gains: dict[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """Figures of as many events each, in the order of the log."""
    order = np.argsort(asked.place[one.chosen])
    moments = asked.timestamp_ms[one.chosen][order]
    gains = {name: values[order] for name, values in gains.items()}
    cuts = np.unique(np.linspace(0, len(moments), _PERIODS + 1).round().astype(int))
    return [
        {
            "from_ms": int(moments[start:stop].min()),
            "to_ms": int(moments[start:stop].max()),
            "events": int(stop - start),
            "metrics": {name: float(values[start:stop].mean()) for name, values in gains.items()},
        }
        for start, stop in pairwise(cuts.tolist())
    ]


def _compare_with_best(rows: list[dict[str, Any]], judged: Sequence[Judged], ks: Sequence[int]) -> None:
    """Each against the best by a metric, over the questions that both answered."""
    able = [(row, one) for row, one in zip(rows, judged, strict=True) if row["events"]]
    if not able:
        return
    common = cache(partial(_common, able))
    for name, gain in METRICS.items():
        for k in ks:
            metric = f"{name}@{k}"
            best = max(range(len(able)), key=lambda number: able[number][0]["metrics"][metric]["value"])
            best_row, best_one = able[best]
            for number, (row, one) in enumerate(able):
                of_one, of_best = common(number, best)
                if not len(of_one):
                    continue
                found = paired(gain(one.rank[of_one], k), gain(best_one.rank[of_best], k), one.user[of_one])
                row["against_best"][metric] = {
                    "best": best_row["model"],
                    **asdict(found),
                    "within_noise": number == best or found.p >= 0.05,
                }


def _common(
    able: Sequence[tuple[dict[str, Any], Judged]], first: int, second: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in the answers of each the questions are that both answered."""
    chosen = able[first][1].chosen, able[second][1].chosen
    _, of_first, of_second = np.intersect1d(*chosen, assume_unique=True, return_indices=True)
    return of_first, of_second

"""A whole evaluation on a small log: every figure of every row, and the files beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.unit.training.logs import log_of, successors
from training.dataset import HistoryRules
from training.evaluation.categories import category_matrix
from training.evaluation.evaluate import EvaluationConfig, evaluate
from training.evaluation.histories import Histories
from training.evaluation.planning import PROTOCOLS, ProtocolConfig
from training.interactions import Interactions
from training.rivals.biased_mf import BiasedMF
from training.rivals.popularity import Popularity
from training.rivals.random import Random

RULES = HistoryRules(history_limit=50)
ITEMS = {f"i{number}": {"categories": "even|all" if number % 2 == 0 else "odd"} for number in range(30)}


def _evaluate(log: Interactions, folder: Path | None = None, **config: Any) -> dict[str, Any]:
    report = evaluate(
        log,
        lambda prepared: [Popularity(), Random(), Popularity(days=7)],
        config=EvaluationConfig(protocol=ProtocolConfig(**config), ks=(5, 10), split_folder=folder),
        rules=RULES,
        items=ITEMS,
    )
    json.dumps(report, allow_nan=False)  # what a program is given is JSON
    return report


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "probe"])
def test_every_row_has_every_figure(protocol: str) -> None:
    log = successors(users=20, events=12, items=30)
    report = _evaluate(log, protocol=protocol, core=1)
    names = ("hr", "ndcg", "mrr", "map", "precision", "recall", "f1", "accuracy")
    for row in report["results"]:
        assert row["protocol"] == protocol and row["not_applicable"] is None
        assert set(row["metrics"]) == {f"{name}@{k}" for name in names for k in (5, 10)}
        assert all(set(cell) == {"value", "low", "high"} for cell in row["metrics"].values())
        assert {
            f"{name}@10" for name in ("coverage", "novelty", "diversity", "gini", "popularity_lift")
        } < set(row["beyond_accuracy"])
        assert sum(part["events"] for part in row["slices"]["history length"]) == row["events"]
        assert bool(row["along_time"]) == (protocol == "prequential")
    assert report["data"]["interactions"] == 240 and report["data"]["users"] == 20
    best = [row["against_best"]["ndcg@10"]["within_noise"] for row in report["results"]]
    assert any(best)


def test_what_needs_times_says_so_where_there_are_none() -> None:
    log = log_of([(f"u{user}", f"i{(user + turn) % 9}", "view", 0) for user in range(9) for turn in range(4)])
    rows = {row["model"]: row for row in _evaluate(log, protocol="leave-one-out")["results"]}
    assert rows["popularity-7d"]["not_applicable"] == "the log has no times"
    assert rows["popularity-7d"]["metrics"] == {} and rows["popularity"]["events"] == 9


def test_periods_along_time_cover_every_event_in_order() -> None:
    row = _evaluate(successors(users=20, events=12, items=30), protocol="prequential", fits=3)["results"][0]
    periods = row["along_time"]
    assert sum(period["events"] for period in periods) == row["events"]
    assert all(one["to_ms"] <= two["from_ms"] for one, two in pairwise(periods))
    assert len(row["retrained_at_ms"]) == 3
    hits = sum(period["metrics"]["hr@10"] * period["events"] for period in periods)
    assert hits == pytest.approx(row["metrics"]["hr@10"]["value"] * row["events"])


def test_a_split_is_written_exactly_as_it_was_used(tmp_path: Path) -> None:
    log = successors(users=6, events=8, items=30)
    _evaluate(log, tmp_path / "loo", protocol="leave-one-out")
    parts = {
        name: pl.read_parquet(tmp_path / "loo" / f"{name}.parquet")
        for name in ("train", "validation", "test")
    }
    assert [len(part) for part in parts.values()] == [36, 6, 6]
    assert parts["train"].columns == ["user_id", "item_id", "type", "timestamp", "order"]
    whole = pl.concat([part.select(parts["train"].columns) for part in parts.values()]).sort("order")
    assert whole["order"].to_list() == list(range(48))
    assert whole["item_id"].to_list() == [log.items[code] for code in log.item]
    assert whole["user_id"].to_list() == [log.users[code] for code in log.user]
    for user in log.users:
        last = whole.filter(pl.col("user_id") == user)["item_id"][-1]
        assert parts["test"].filter(pl.col("user_id") == user)["item_id"].to_list() == [last]
    assert parts["test"]["judged"].all()


def test_a_split_of_several_rounds_has_a_folder_each(tmp_path: Path) -> None:
    log = successors(users=10, events=10, items=30)
    _evaluate(log, tmp_path, protocol="prequential", fits=2, newest=0.5)
    first, second = (pl.read_parquet(tmp_path / f"round-{n}" / "test.parquet") for n in (1, 2))
    assert first["order"].to_list() == list(range(50, 75))
    assert second["order"].to_list() == list(range(75, 100))
    assert pl.read_parquet(tmp_path / "round-2" / "train.parquet").height == 75
    assert second["judged"].all()
    # Each user's turn comes ten events later: the lists of the second part's first ten are by the first fit.
    assert second["given_at"].to_list() == list(range(65, 90))
    assert second["fit"].to_list() == [1] * 10 + [2] * 15


def test_categories_are_marked_and_an_item_without_any_has_none() -> None:
    matrix = category_matrix(("i0", "i1", "zz", "i3"), {**ITEMS, "i3": {"categories": ["odd", "new"]}})
    assert matrix is not None
    np.testing.assert_array_equal(matrix.toarray(), [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    assert category_matrix(("zz",), ITEMS) is None


def test_lists_like_the_histories_have_no_lift_whatever_the_fits() -> None:
    """Popularity doubles from fit to fit: each list is measured by what its own fit had learnt from."""

    class Echo:
        """Gives the newest item of the history."""

        name = "echo"

        def fit(self, training: Interactions) -> None: ...

        def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
            lists = np.full((len(histories), k), -1, dtype=np.int32)
            lists[:, 0] = histories.item.values[histories.item.start[1:] - 1]
            return lists

    log = successors(users=20, events=30, items=30)
    for fits in (1, 5):
        config = EvaluationConfig(protocol=ProtocolConfig(newest=0.8, fits=fits))
        # Histories of one event, which the list repeats.
        report = evaluate(log, lambda _: [Echo()], config=config, rules=HistoryRules(history_limit=1))
        assert report["results"][0]["beyond_accuracy"]["popularity_lift@10"] == pytest.approx(0.0)


def test_ratings_are_predicted_but_for_users_who_did_not_train() -> None:
    log = successors(users=20, events=12, items=30)
    rated = replace(log, rating=(1 + np.arange(len(log)) % 5).astype(np.float32))
    report = evaluate(
        rated,
        lambda _: [BiasedMF()],
        config=EvaluationConfig(protocol=ProtocolConfig(protocol="temporal", core=1)),
        rules=RULES,
    )
    assert 0 < report["results"][0]["predictions"]["rmse"] < 2.0
    report = evaluate(
        rated,
        lambda _: [BiasedMF()],
        config=EvaluationConfig(protocol=ProtocolConfig(protocol="k-fold")),
        rules=RULES,
    )
    assert report["results"][0]["not_applicable"] == "it has no vector for a user who did not train"


@pytest.mark.parametrize(
    "log",
    [
        log_of([("u", f"i{number}", "view", number) for number in range(12)]),
        log_of([(f"u{n // 3}", f"i{(n // 3 + n) % 5}", "view", n) for n in range(30)]),
    ],
    ids=["one user", "five items"],
)
def test_tiny_logs_give_sensible_figures(log: Interactions) -> None:
    for row in _evaluate(log, protocol="prequential", newest=0.5)["results"]:
        assert row["events"] + sum(row["skipped"].values()) == len(log) - len(log) // 2
        for cell in row["metrics"].values():
            assert 0 <= cell["low"] <= cell["value"] <= cell["high"] <= 1

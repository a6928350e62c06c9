"""Measures RecTools' models with RecTools' metrics on a split that `millstream evaluate --dump-split` wrote.

It shares no code with Millstream, so that each checks the other. It runs in an environment of its own:

    uv venv --python 3.11 ../other-library
    uv pip install --python ../other-library/bin/python "rectools[torch]==0.19.0" "pyarrow<21"

    ../other-library/bin/python docs/benchmarks/other_library.py FOLDER [MODEL ...] > other.json

The folder holds `train.parquet`, `validation.parquet` and `test.parquet` of the leave-one-out protocol,
with the columns `user_id`, `item_id` and `order` (the place in the log). Models are fitted on train alone.
A user's history at the test is train + validation: item-kNN sums over it, ALS solves the user's vector from
it with the items frozen, SASRec reads it. Its items are left out of the list; any other item of the files
can be in it.

Every row counts 1. A user has one target, so HR@k is recall@k, and MRR@k is MAP@k. RecTools divides NDCG by
the gain of k hits unless told `divide_by_achievable`; with that it is 1 / log2(rank + 1) for one target,
which is how Millstream and the papers count. A user without a list counts as a miss. SASRec runs only where
it is named: it takes minutes an epoch on two cores, and some dozens of epochs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from rectools.dataset import Dataset, IdMap, Interactions
from rectools.metrics import MRR, NDCG, HitRate, calc_metrics
from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
from rectools.models.base import ModelBase

PARAMETERS: dict[str, dict[str, int | float]] = {
    "popularity": {},
    "item_knn": {"neighbours": 100},
    "als": {"factors": 128, "alpha": 2.0, "regularization": 10.0, "iterations": 15},
    "sasrec": {"window": 200, "epochs": 60, "batch": 128},
}


def read(folder: Path) -> tuple[Dataset, Dataset, pd.DataFrame]:
    """What to fit on, what to recommend from (train + validation) and the targets; one catalogue for all."""
    parts = ("train", "validation", "test")
    rows = pd.concat([pd.read_parquet(folder / f"{part}.parquet").assign(part=part) for part in parts])
    rows = rows.sort_values("order", kind="stable")
    # RecTools sorts by time, and times tie, or there are none: the place in the log stands in for them.
    rows["datetime"] = pd.to_datetime(rows["order"], unit="s")
    rows["weight"] = 1.0
    users, items = IdMap.from_values(rows["user_id"]), IdMap.from_values(rows["item_id"])
    fit, known = (
        Dataset(users, items, Interactions.from_raw(rows[rows["part"].isin(chosen)], users, items))
        for chosen in (parts[:1], parts[:2])
    )
    return fit, known, rows.loc[rows["part"] == "test", ["user_id", "item_id"]]


def popularity(fit: Dataset, known: Dataset, *, seed: int) -> ModelBase:
    """Most interactions first."""
    return PopularModel("n_interactions", add_cold=True).fit(fit)


def item_knn(fit: Dataset, known: Dataset, *, seed: int, neighbours: int) -> ModelBase:
    """Cosine of the items' columns; each item of the history adds its own nearest ones."""
    # The library counts the item itself among its K.
    return ImplicitItemKNNWrapperModel(CosineRecommender(K=neighbours + 1)).fit(fit)


def als(fit: Dataset, known: Dataset, *, seed: int, **parameters: float) -> ModelBase:
    """Implicit ALS (Hu, Koren, Volinsky 2008): confidence alpha where there is an interaction, 1 elsewhere.

    Millstream's has the same minimum, but for a factor, where its ridge power is 0, alpha is 1 + 1 / weight
    and regularization is ridge · alpha.
    """
    model = ImplicitALSWrapperModel(AlternatingLeastSquares(random_state=seed, **parameters)).fit(fit)
    # RecTools keeps the vectors that it fitted: solve them again from the longer history.
    histories = known.get_user_item_matrix()
    model.model.user_factors = model.model.recalculate_user(range(histories.shape[0]), histories)
    return model


def sasrec(fit: Dataset, known: Dataset, *, seed: int, window: int, epochs: int, batch: int) -> ModelBase:
    """SASRec (Kang, McAuley 2018), trained with a softmax over all items for so many epochs."""
    from pytorch_lightning import seed_everything
    from rectools.models import SASRecModel

    seed_everything(seed)
    return SASRecModel(
        n_blocks=2, n_heads=1, n_factors=64, session_max_len=window, epochs=epochs, batch_size=batch
    ).fit(fit)


BUILD = {"popularity": popularity, "item_knn": item_knn, "als": als, "sasrec": sasrec}


def main() -> None:
    """Print one JSON object: library, version, the split's size, and every model's figures and seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "models", nargs="*", metavar="model", help=f"of {', '.join(BUILD)}; or all but sasrec"
    )
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    for model, parameters in PARAMETERS.items():
        for name, value in parameters.items():
            parser.add_argument(f"--{name}", type=type(value), default=value, help=f"of {model} ({value})")
    options = parser.parse_args()
    if unknown := set(options.models) - set(BUILD):
        parser.error(f"no model {', '.join(sorted(unknown))}: name some of {', '.join(BUILD)}")
    fit, known, targets = read(options.folder)
    k = options.k
    metrics = {f"hr@{k}": HitRate(k), f"ndcg@{k}": NDCG(k, divide_by_achievable=True), f"mrr@{k}": MRR(k)}
    results = []
    for name in options.models or ("popularity", "item_knn", "als"):
        chosen = {key: getattr(options, key) for key in PARAMETERS[name]}
        start = time.perf_counter()
        model = BUILD[name](fit, known, seed=options.seed, **chosen)
        fitted = time.perf_counter()
        lists = model.recommend(targets["user_id"].unique(), known, k, filter_viewed=True)
        seconds = {"fit": round(fitted - start, 1), "recommend": round(time.perf_counter() - fitted, 1)}
        figures = calc_metrics(metrics, lists, targets)
        rounded = {key: round(float(value), 5) for key, value in figures.items()}
        results.append({"model": name, "parameters": chosen, "metrics": rounded, "seconds": seconds})
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    split = {"users": len(targets), "items": known.item_id_map.size, "train": len(fit.interactions.df)}
    print(
        json.dumps(
            {"library": "RecTools", "version": version("rectools"), "split": split, "results": results}
        )
    )


if __name__ == "__main__":
    main()

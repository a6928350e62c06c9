"""The item-kNN of a published figure, rebuilt from its code: are the split and the metrics the same?

    python docs/benchmarks/published_item_knn.py SPLIT

SPLIT is what `millstream evaluate … --protocol leave-one-out --dump-split SPLIT` wrote. The rule is
"Item-CF (implicit)" of github.com/lessismore4825-jl/movielens-rec: cosine · n_ij / (n_ij + 20), pairs
that at least five users share, the 40 nearest of the item that is scored, summed over what the user took
in train (not in validation); train and validation are left out of the list. It reports HR@10 .076159 and
NDCG@10 .037820 on MovieLens 1M.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from training.evaluation.metrics import discounted_gains, hits, rank_of
from training.evaluation.ragged import Ragged
from training.evaluation.top_k import top_k

NEIGHBOURS, SHRINKAGE, LEAST_SHARED, K = 40, 20.0, 5, 10


def measure(split: Path) -> dict[str, float]:
    """HR@10 and NDCG@10 over the users of the test."""
    parts = {name: pl.read_parquet(split / f"{name}.parquet") for name in ("train", "validation", "test")}
    rows = pl.concat([part.select("user_id", "item_id", "order") for part in parts.values()]).sort("order")
    users, items = rows["user_id"].unique(maintain_order=True), rows["item_id"].unique(maintain_order=True)
    matrices = {name: _matrix(part, users, items) for name, part in parts.items()}
    train, seen = matrices["train"], (matrices["train"] + matrices["validation"]).tocsr()
    scores = np.asarray((train @ _similarity(train).T).todense(), dtype=np.float32)
    lists = top_k(scores, Ragged(values=seen.indices, start=seen.indptr.astype(np.int64)), k=K)
    test = matrices["test"].tocsr()
    asked = np.diff(test.indptr) > 0
    rank = rank_of(lists[asked], test.indices)
    return {f"hr@{K}": float(hits(rank, K).mean()), f"ndcg@{K}": float(discounted_gains(rank, K).mean())}


def _matrix(part: pl.DataFrame, users: pl.Series, items: pl.Series) -> sparse.csr_array:
    row = part["user_id"].replace_strict(users, np.arange(len(users))).to_numpy()
    column = part["item_id"].replace_strict(items, np.arange(len(items))).to_numpy()
    return sparse.csr_array(
        (np.ones(len(part), dtype=np.float32), (row, column)), shape=(len(users), len(items))
    )


def _similarity(taken: sparse.csr_array) -> sparse.csr_array:
    shared = np.asarray((taken.T @ taken).todense())
    norm = np.sqrt(np.maximum(taken.sum(0), 1))
    found = shared / np.outer(norm, norm) * shared / (shared + SHRINKAGE)
    found[shared < LEAST_SHARED] = 0.0
    np.fill_diagonal(found, 0.0)
    least = np.partition(found, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS, None]
    return sparse.csr_array(np.where(found >= least, found, 0.0))


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))

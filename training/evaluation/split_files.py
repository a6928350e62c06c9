"""A plan's rows as files, so that others can be measured on exactly the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.bundle.signature import EVENT_TYPES
from training.evaluation.judged import Asked
from training.evaluation.plan import Round
from training.interactions import Interactions


def write_split(folder: Path, round_: Round, asked: Asked) -> None:
    """Write train.parquet, validation.parquet and test.parquet of a round.

    The columns: user_id, item_id, type, timestamp (ms), order (the place in the log), rating where there is
    one; test.parquet has in `judged` whether a row was asked for, or only belongs to a history, and of those
    that were, in `given_at` the order of the event at which the list was given, and in `fit` by which fit,
    from 1.
    """
    log = round_.log
    questions = pl.DataFrame(
        {"order": asked.place, "judged": True, "given_at": asked.given_at, "fit": asked.fit + 1}
    )
    table = _table(log)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "train": table.filter(_marks(round_.learnt, len(log))),
        "validation": table.filter(_marks(round_.validated, len(log))),
        "test": table.filter(_marks(round_.tested, len(log)))
        .join(questions, on="order", how="left", maintain_order="left")
        .with_columns(pl.col("judged").fill_null(False)),
    }
    for name, part in parts.items():
        part.write_parquet(folder / f"{name}.parquet")


def _marks(rows: slice | NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    marks = np.zeros(length, dtype=bool)
    marks[rows] = True
    return marks


def _table(log: Interactions) -> pl.DataFrame:
    columns = {
        "user_id": pl.Series(log.users, dtype=pl.String)[log.user],
        "item_id": pl.Series(log.items, dtype=pl.String)[log.item],
        "type": pl.Series(EVENT_TYPES, dtype=pl.String)[log.type_code.astype(np.int32)],
        "timestamp": log.timestamp_ms,
        "order": np.arange(len(log), dtype=np.int64),
    }
    if log.rating is not None:
        columns["rating"] = log.rating
    return pl.DataFrame(columns)

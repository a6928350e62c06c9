"""MovieLens 1M in the order of the published leave-one-out file, with times."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def write_timed_log(folder: Path, file: Path) -> None:
    """Give each event of `leave_one_out.txt.gz` a time, for tests that are the published ones.

    A user's order is that of the file, the times are the user's in `ratings.parquet`, sorted. The two number
    users and items differently: who is who is told by how often the items of each were rated, which no two
    users share. Items with fewer than five ratings are in neither.
    """
    order = pl.read_csv(
        folder / "leave_one_out.txt.gz", has_header=False, separator=" ", new_columns=["user", "item_id"]
    )
    rated = pl.read_parquet(folder / "ratings.parquet").filter(pl.len().over("item_id") >= 5)
    rated = rated.select(pl.col("user_id").alias("user"), "item_id", "timestamp")
    who = _signatures(order).join(_signatures(rated), on="signature", suffix="_rated", validate="1:1")
    times = rated.sort("user", "timestamp").group_by("user", maintain_order=True).agg("timestamp")
    timed = (
        order.group_by("user", maintain_order=True)
        .agg("item_id")
        .join(who, on="user")
        .join(times, left_on="user_rated", right_on="user")
        .explode("item_id", "timestamp")
    )
    if len(timed) != len(order):
        raise ValueError(f"{len(order) - len(timed)} events of {folder} found no time")
    # Stable: events of one time keep their order.
    timed = timed.select(pl.col("user").alias("user_id"), "item_id", pl.col("timestamp") * 1000)
    timed.sort("timestamp", "user_id", maintain_order=True).write_parquet(file)


def _signatures(rated: pl.DataFrame) -> pl.DataFrame:
    """Each user's items by how often they were rated, in one text."""
    counted = rated.with_columns(count=pl.len().over("item_id").cast(pl.String))
    return counted.group_by("user").agg(pl.col("count").sort().str.join(",").alias("signature"))

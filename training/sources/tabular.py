"""Files of interactions: Parquet, CSV, JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import EARLIEST_MS
from stream_app.domain.messages import MAX_ID_BYTES
from stream_app.domain.ratings import DISLIKE_BELOW, LIKE_FROM, type_of_rating
from training.errors import UnusableSource
from training.interactions import Interactions

_NEEDED = ("user_id", "item_id", "timestamp")


def read_interactions(
    path: Path, *, like_from: float = LIKE_FROM, dislike_below: float = DISLIKE_BELOW
) -> Interactions:
    """Read a file, or a folder's `interactions.*`, in order of time; rows of equal time keep their order.

    Columns: user_id, item_id, timestamp (milliseconds since the epoch); optionally type, or rating, which is
    then a `like` from `like_from` on, a `dislike` below `dislike_below`, else a `view`. Where there is
    neither, every row is a `view`. Rows that no worker would take are left out and counted in `rejected`.

    Raises UnusableSource where the file is missing, unreadable, without these columns, or without good rows.
    """
    path = _file_of(Path(path))
    table = read_table(path)
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise UnusableSource(
            f"{path}: no column {', '.join(missing)}; found {', '.join(table.columns)}; rename the columns"
        )
    try:
        events = table.select(
            pl.col("user_id").cast(pl.String),
            pl.col("item_id").cast(pl.String),
            pl.col("timestamp").cast(pl.Int64, strict=False),
            _type_of(table, like_from=like_from, dislike_below=dislike_below).alias("type"),
        ).sort("timestamp", maintain_order=True, nulls_last=True)
    except pl.exceptions.PolarsError as error:
        raise UnusableSource(f"{path}: a column has the wrong kind of values ({_line(error)})") from error
    good, rejected = _without_bad_rows(_without_forgotten(events))
    if not len(good):
        reasons = "; ".join(f"{count} × {reason}" for reason, count in rejected.items())
        raise UnusableSource(f"{path}: no usable rows ({reasons or 'it is empty'})")
    return _from_table(good, rejected)


def read_table(path: Path) -> pl.DataFrame:
    """A Parquet, CSV or JSON lines file. Raises UnusableSource where it cannot be read."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UnusableSource(f"{path}: unknown kind of file; name it .parquet, .csv or .jsonl")
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise UnusableSource(f"{path}: there is no such file; check the path") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableSource(f"{path}: not readable as {path.suffix[1:]} ({_line(error)})") from error


def _read_csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema_length=10_000)


def _read_json_lines(path: Path) -> pl.DataFrame:
    return pl.read_ndjson(path, infer_schema_length=10_000)


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("interactions.*"))
    if not found:
        raise UnusableSource(
            f"{path}: a folder without interactions.parquet, .csv or .jsonl; name the file itself"
        )
    return found[0]


def _type_of(table: pl.DataFrame, *, like_from: float, dislike_below: float) -> pl.Expr:
    if "type" in table.columns:
        return pl.col("type").cast(pl.String)
    if "rating" not in table.columns:
        return pl.lit("view")
    # A scale has few values: the rule is asked once for each.
    ratings = table["rating"].cast(pl.Float64).unique().drop_nulls().drop_nans()
    types = [type_of_rating(rating, like_from=like_from, dislike_below=dislike_below) for rating in ratings]
    return (
        pl.col("rating").cast(pl.Float64).replace_strict(ratings, types, default=None, return_dtype=pl.String)
    )


def _without_forgotten(events: pl.DataFrame) -> pl.DataFrame:
    """`forget` takes all that the user did before it away, and itself."""
    if not (events["type"] == "forget").any():
        return events
    place = events.with_row_index("place")
    last = (
        place.filter(pl.col("type") == "forget")
        .group_by("user_id")
        .agg(pl.col("place").max().alias("forgotten"))
    )
    joined = place.join(last, on="user_id", how="left", maintain_order="left")
    kept = joined.filter(pl.col("forgotten").is_null() | (pl.col("place") > pl.col("forgotten")))
    return kept.select("user_id", "item_id", "timestamp", "type")


def _without_bad_rows(events: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    def bad_id(name: str) -> pl.Expr:
        size = pl.col(name).str.len_bytes()
        return size.is_null() | (size == 0) | (size > MAX_ID_BYTES)

    reasons = {
        f"user_id missing, empty or over {MAX_ID_BYTES} bytes": bad_id("user_id"),
        f"item_id missing, empty or over {MAX_ID_BYTES} bytes": bad_id("item_id"),
        "timestamp missing or not a number": pl.col("timestamp").is_null(),
        f"timestamp before {EARLIEST_MS} ms (seconds?)": pl.col("timestamp") < EARLIEST_MS,
        "unknown type": ~pl.col("type").is_in(EVENT_TYPES[1:]).fill_null(False),
    }
    rejected = {}
    for reason, is_bad in reasons.items():
        kept = events.filter(~is_bad)
        if len(kept) < len(events):
            rejected[reason] = len(events) - len(kept)
        events = kept
    return events, rejected


def _from_table(events: pl.DataFrame, rejected: dict[str, int]) -> Interactions:
    users = events["user_id"].unique(maintain_order=True)
    items = events["item_id"].unique(maintain_order=True)
    codes = events.select(
        pl.col("user_id").replace_strict(users, np.arange(len(users), dtype=np.int32), return_dtype=pl.Int32),
        pl.col("item_id").replace_strict(items, np.arange(len(items), dtype=np.int32), return_dtype=pl.Int32),
        pl.col("type").replace_strict(
            list(EVENT_TYPES), np.arange(len(EVENT_TYPES), dtype=np.uint8), return_dtype=pl.UInt8
        ),
    )
    return Interactions(
        users=tuple(users),
        items=tuple(items),
        user=codes["user_id"].to_numpy(),
        item=codes["item_id"].to_numpy(),
        type_code=codes["type"].to_numpy(),
        timestamp_ms=events["timestamp"].to_numpy(),
        rejected=rejected,
    )


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

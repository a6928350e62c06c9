"""A log from files: what a worker would take of its rows, in order of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import EARLIEST_MS
from stream_app.domain.messages import MAX_ID_BYTES
from stream_app.domain.ratings import DISLIKE_BELOW, LIKE_FROM, type_of_rating
from training.errors import UnusableSource
from training.interactions import Interactions, RejectedRow
from training.sources.formats import read_raw
from training.sources.place import Place
from training.sources.raw_log import RawLog

ROWS_LISTED = 20
_EVENT = ("file", "line", "user_id", "item_id", "timestamp", "type")


def read_interactions(
    path: Path,
    *,
    format_name: str | None = None,
    strict: bool = False,
    like_from: float = LIKE_FROM,
    dislike_below: float = DISLIKE_BELOW,
) -> Interactions:
    """Read a file, a folder or a zip archive, in order of time; rows of equal time keep their order.

    `format_name` is one of `formats.FORMATS`; None finds it from the content. A rating is a `like` from
    `like_from` on, a `dislike` below `dislike_below`, else a `view`; where there is neither type nor rating,
    every row is a `view`. Rows that no worker would take are left out, counted in `rejected`, the first 20
    listed in `rejected_rows`; `strict` refuses the log for them.

    Raises UnusableSource where nothing is there, or it is unreadable, without what is needed, or without good
    rows.
    """
    raw = read_raw(Place(Path(path)), format_name=format_name)
    try:
        events = _events(raw, like_from=like_from, dislike_below=dislike_below)
    except pl.exceptions.PolarsError as error:
        words = str(error).splitlines()[0]
        raise UnusableSource(f"{raw.file}: a column has the wrong kind of values ({words})") from error
    good, rejected, listed = _without_bad_rows(_without_forgotten(events))
    if strict and listed:
        first = listed[0]
        raise UnusableSource(
            f"{first.file}, line {first.line}: {first.reason}; mend it, or go without --strict"
        )
    if not len(good):
        reasons = "; ".join(f"{count} × {reason}" for reason, count in rejected.items())
        raise UnusableSource(f"{raw.file}: no usable rows ({reasons or 'it is empty'})")
    return _from_table(good, rejected, listed)


def _events(raw: RawLog, *, like_from: float, dislike_below: float) -> pl.DataFrame:
    rows = raw.rows
    file = pl.col("file") if "file" in rows.columns else pl.lit(raw.file).alias("file")
    return rows.select(
        file.cast(pl.Categorical),
        "line",
        pl.col("user_id").cast(pl.String),
        pl.col("item_id").cast(pl.String),
        raw.time_ms().alias("timestamp"),
        _type_of(rows, like_from=like_from, dislike_below=dislike_below).alias("type"),
    ).sort("timestamp", maintain_order=True, nulls_last=True)


def _type_of(rows: pl.DataFrame, *, like_from: float, dislike_below: float) -> pl.Expr:
    if "type" in rows.columns:
        return pl.col("type").cast(pl.String)
    if "rating" not in rows.columns:
        return pl.lit("view")
    # A scale has few values: the rule is asked once for each.
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    ratings = rows.select(rating)["rating"].unique().drop_nulls().drop_nans()
    types = [type_of_rating(one, like_from=like_from, dislike_below=dislike_below) for one in ratings]
    return rating.replace_strict(ratings, types, default=None, return_dtype=pl.String)


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
    return kept.select(_EVENT)


def _without_bad_rows(
    events: pl.DataFrame,
) -> tuple[pl.DataFrame, dict[str, int], tuple[RejectedRow, ...]]:
    def bad_id(name: str) -> pl.Expr:
        size = pl.col(name).str.len_bytes()
        return size.is_null() | (size == 0) | (size > MAX_ID_BYTES)

    known = pl.col("type").is_in(EVENT_TYPES[1:]).fill_null(False)
    reasons = {
        f"user_id missing, empty or over {MAX_ID_BYTES} bytes": bad_id("user_id"),
        f"item_id missing, empty or over {MAX_ID_BYTES} bytes": bad_id("item_id"),
        "timestamp missing or no time": pl.col("timestamp").is_null(),
        f"timestamp before {EARLIEST_MS} ms (seconds?)": pl.col("timestamp") < EARLIEST_MS,
        "unknown type, or a rating that is no number": ~known,
    }
    rejected, listed = {}, list[RejectedRow]()
    for reason, is_bad in reasons.items():
        bad, events = events.filter(is_bad), events.filter(~is_bad)
        if len(bad):
            rejected[reason] = len(bad)
            first = bad.select(pl.col("file").cast(pl.String), "line").sort("file", "line").head(ROWS_LISTED)
            listed += [RejectedRow(file=file, line=line, reason=reason) for file, line in first.iter_rows()]
    listed.sort(key=lambda row: (row.file, row.line))
    return events, rejected, tuple(listed[:ROWS_LISTED])


def _from_table(
    events: pl.DataFrame, rejected: dict[str, int], listed: tuple[RejectedRow, ...]
) -> Interactions:
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
        rejected_rows=listed,
    )

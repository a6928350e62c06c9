"""What a worker would take of a log's rows, and what not, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from models.bundle.signature import EVENT_TYPES
from stream_app.domain.decoding import EARLIEST_MS, LATEST_MS
from stream_app.domain.messages import MAX_ID_BYTES
from stream_app.domain.ratings import type_of_rating
from training.errors import UnusableSource
from training.interactions import RejectedRow
from training.sources.raw_log import CONTEXT, SURPLUS, RawLog

ROWS_LISTED = 20
_EVENT = ("file", "line", "user_id", "item_id", "timestamp", "type", "rating", SURPLUS)


@dataclass(frozen=True, kw_only=True)
class Rejections:
    """How many rows were left out, by reason, and the first `ROWS_LISTED` of them by file and line."""

    count: dict[str, int] = field(default_factory=dict)
    first: tuple[RejectedRow, ...] = ()

    def and_also(self, other: Rejections) -> Rejections:
        """Both together."""
        count = dict(Counter(self.count) + Counter(other.count))
        return Rejections(count=count, first=first_rows([*self.first, *other.first]))

    def check(self, file: str, *, good: int, strict: bool) -> None:
        """Raise UnusableSource where one row is bad and `strict` is set, or where none is good."""
        if strict and self.first:
            row = self.first[0]
            raise UnusableSource(
                f"{row.file}, line {row.line}: {row.reason}; mend it, or go without --strict"
            )
        if not good:
            reasons = "; ".join(f"{count} × {reason}" for reason, count in self.count.items())
            first = f", the first in line {self.first[0].line}" if self.first else ""
            raise UnusableSource(f"{file}: no usable rows ({reasons or 'it is empty'}{first})")


def first_rows(rows: Iterable[RejectedRow]) -> tuple[RejectedRow, ...]:
    """The first `ROWS_LISTED` by file and line."""
    return tuple(sorted(rows, key=lambda row: (row.file, row.line))[:ROWS_LISTED])


def judge(raw: RawLog, *, like_from: float, dislike_below: float) -> tuple[pl.DataFrame, Rejections]:
    """The good rows in order of time, and what was left out.

    Columns: file, line, user_id, item_id, timestamp (ms, Int64), type (a name), rating (Float32, null where
    there is none), context (JSON, String). Raises UnusableSource where a column has the wrong kind of values.
    """
    try:
        events = _events(raw, like_from=like_from, dislike_below=dislike_below)
    except pl.exceptions.PolarsError as error:
        words = str(error).splitlines()[0]
        raise UnusableSource(f"{raw.file}: a column has the wrong kind of values ({words})") from error
    return without_bad_rows(_without_forgotten(events), _reasons())


def type_codes(types: pl.Series) -> pl.Series:
    """The codes, UInt8, of event types by name."""
    codes = np.arange(len(EVENT_TYPES), dtype=np.uint8)
    return types.replace_strict(list(EVENT_TYPES), codes, return_dtype=pl.UInt8)


def bad_id(name: str) -> tuple[str, pl.Expr]:
    """The reason why an id is refused, and where it holds."""
    size = pl.col(name).str.len_bytes()
    reason = f"{name} missing, empty or over {MAX_ID_BYTES} bytes"
    return reason, size.is_null() | (size == 0) | (size > MAX_ID_BYTES)


def without_bad_rows(
    rows: pl.DataFrame, reasons: Iterable[tuple[str, pl.Expr]]
) -> tuple[pl.DataFrame, Rejections]:
    """The rows for which no reason holds; each other one is counted for the first that does."""
    count, first = {}, list[RejectedRow]()
    for reason, is_bad in reasons:
        bad, rows = rows.filter(is_bad), rows.filter(~is_bad)
        if len(bad):
            count[reason] = len(bad)
            places = bad.select(pl.col("file").cast(pl.String), "line").sort("file", "line")
            first += [
                RejectedRow(file=file, line=line, reason=reason)
                for file, line in places.head(ROWS_LISTED).iter_rows()
            ]
    return rows, Rejections(count=count, first=first_rows(first))


def _reasons() -> list[tuple[str, pl.Expr]]:
    known = pl.col("type").is_in(EVENT_TYPES[1:]).fill_null(False)
    return [
        bad_id("user_id"),
        bad_id("item_id"),
        ("timestamp missing or no time", pl.col("timestamp").is_null()),
        (f"timestamp before {EARLIEST_MS} ms (seconds?)", pl.col("timestamp") < EARLIEST_MS),
        (f"timestamp after {LATEST_MS} ms (nanoseconds?)", pl.col("timestamp") > LATEST_MS),
        ("more fields than the header has", pl.col(SURPLUS).is_not_null()),
        ("unknown type, or a rating that is no number", ~known),
    ]


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
        _rating_of(rows).alias("rating"),
        (pl.col(SURPLUS) if SURPLUS in rows.columns else pl.lit(None)).alias(SURPLUS),
        _context_of(rows).alias(CONTEXT),
    ).sort("timestamp", maintain_order=True, nulls_last=True)


def _type_of(rows: pl.DataFrame, *, like_from: float, dislike_below: float) -> pl.Expr:
    if "type" not in rows.columns and "rating" not in rows.columns:
        return pl.lit("view")
    told = pl.col("type").cast(pl.String) if "type" in rows.columns else pl.lit(None, dtype=pl.String)
    # In a CSV nothing is an empty text.
    told = pl.when(told != "").then(told)
    if "rating" not in rows.columns:
        return told
    # A scale has few values: the rule is asked once for each.
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    ratings = rows.select(rating)["rating"].unique().drop_nulls().drop_nans()
    types = [type_of_rating(one, like_from=like_from, dislike_below=dislike_below) for one in ratings]
    return pl.coalesce(told, rating.replace_strict(ratings, types, default=None, return_dtype=pl.String))


def _context_of(rows: pl.DataFrame) -> pl.Expr:
    if CONTEXT not in rows.columns:
        return pl.lit(None, dtype=pl.String)
    column = pl.col(CONTEXT)
    return column.struct.json_encode() if rows.schema[CONTEXT] == pl.Struct else column.cast(pl.String)


def _rating_of(rows: pl.DataFrame) -> pl.Expr:
    rating = pl.col("rating") if "rating" in rows.columns else pl.lit(None)
    return rating.cast(pl.Float32, strict=False)


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

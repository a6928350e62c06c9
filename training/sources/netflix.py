"""The Netflix Prize as it came: training_set/mv_*.txt, or combined_data_*.txt.

A line `MOVIE_ID:` and below it `customer_id,rating,YYYY-MM-DD`, one for each rating; a day is its midnight.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import polars as pl

from training.sources.place import Place
from training.sources.raw_log import RawLog, read_fields

_RATINGS = re.compile(r"(mv_\d+|combined_data_\d+)\.txt(\.gz)?")
_MOVIE = re.compile(r"\d+:")


def find_netflix(place: Place) -> str | None:
    """The first of its files of ratings, where the place has any."""
    files = _files(place)
    return files[0] if files and _MOVIE.fullmatch(place.first_line(files[0])) else None


def read_netflix(place: Place, file: str) -> RawLog:
    """The ratings of all files of the place. Raises UnusableSource."""
    tables = [_read_one(place.read(name), said=place.named(name)) for name in _files(place)]
    return RawLog(file=place.named(file), rows=pl.concat(tables))


def _files(place: Place) -> list[str]:
    return [name for name in place.names if _RATINGS.fullmatch(PurePosixPath(name).name)]


def _read_one(content: bytes, *, said: str) -> pl.DataFrame:
    # The header tells how many fields there are: the first line is a movie's, and has one.
    lines = read_fields(said, b"user_id,rating,day\n" + content, separator=",")
    movie = pl.col("user_id").str.strip_suffix(":")
    is_movie = pl.col("user_id").str.ends_with(":") & pl.col("rating").is_null()
    return (
        lines.with_row_index("line", offset=1)
        .select(
            pl.lit(said).alias("file"),
            "line",
            "user_id",
            pl.when(is_movie).then(movie).forward_fill().alias("item_id"),
            "rating",
            pl.col("day").str.to_date("%Y-%m-%d", strict=False).dt.epoch("ms").alias("timestamp"),
            is_movie.alias("is_movie"),
        )
        .filter(~pl.col("is_movie"))
        .drop("is_movie")
    )

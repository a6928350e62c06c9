"""A file of "user item" lines that gives the order and nothing else, as SASRec's ml-1m.txt does.

Every event has the same time: order is all that there is.
"""

from __future__ import annotations

import re

import polars as pl

from stream_app.domain.decoding import EARLIEST_MS
from training.sources.place import Place
from training.sources.raw_log import RawLog, read_fields

_LINE = re.compile(r"\S+[ \t]\S+")


def find_ordered(place: Place) -> str | None:
    """The first text file of two fields a line."""
    file = place.ending(".txt")
    return file if file is not None and _LINE.fullmatch(place.first_line(file)) else None


def read_ordered(place: Place, file: str) -> RawLog:
    """Its lines. Raises UnusableSource where they cannot be cut."""
    separator = "\t" if "\t" in place.first_line(file) else " "
    said = place.named(file)
    rows = read_fields(said, place.read(file), separator=separator, columns=("user_id", "item_id"))
    return RawLog(
        file=said,
        rows=rows.select("user_id", "item_id", pl.lit(EARLIEST_MS).alias("timestamp")).with_row_index(
            "line", offset=1
        ),
    )

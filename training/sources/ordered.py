"""A file of "user item" lines that gives the order and nothing else, as SASRec's ml-1m.txt does.

Every event has the same time: order is all that there is.
"""

from __future__ import annotations

import re

import polars as pl

from stream_app.domain.decoding import EARLIEST_MS
from training.sources.place import Place
from training.sources.raw_log import RawLog
from training.sources.tabular import find_table

_LINE = r"^(?P<user_id>\S+)[ \t]+(?P<item_id>\S+)\s*$"
_LOOKED_AT = 100
_LEAST_LINES = 3
"""Two words on a line are no log yet."""


def find_ordered(place: Place) -> str | None:
    """The first text file whose first lines have two fields, nine of ten; a folder with a table has none."""
    file = place.ending(".txt")
    if file is None or (len(place.names) > 1 and find_table(place) is not None):
        return None
    lines = [line for line in place.first_lines(file, _LOOKED_AT) if line.strip()]
    pairs = sum(re.match(_LINE, line) is not None for line in lines)
    return file if pairs >= max(0.9 * len(lines), _LEAST_LINES) else None


def read_ordered(place: Place, file: str) -> RawLog:
    """Its lines; one that has not two fields has nulls. Raises UnusableSource where it cannot be read."""
    lines = pl.DataFrame({"text": place.read(file).decode(errors="replace").splitlines()})
    rows = (
        lines.with_row_index("line", offset=1)
        .filter(pl.col("text").str.strip_chars() != "")
        .select("line", pl.col("text").str.extract_groups(_LINE))
        .unnest("text")
        .with_columns(pl.lit(EARLIEST_MS).alias("timestamp"))
    )
    head = rows.head(1).select("user_id", "item_id").row(0) if len(rows) else ()
    if head and all(name is not None and name.lower().endswith("id") for name in head):
        rows = rows.slice(1)  # "user_id item_id"
    return RawLog(file=place.named(file), rows=rows)

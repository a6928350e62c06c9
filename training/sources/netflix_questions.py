"""The Netflix Prize's two lists of ratings to predict: probe.txt and qualifying.txt.

Each has a line `MOVIE_ID:` and below it one line for each customer. The probe's ratings are in the training
set, from which they are to be taken out before it is learned; those of the qualifying set were never told.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl

from training.errors import UnusableSource
from training.interactions import RejectedRow
from training.sources.judged_rows import bad_id, without_bad_rows
from training.sources.netflix import day_of, under_movies
from training.sources.place import Place
from training.sources.raw_log import read_fields


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Ratings to predict, in the order of the file.

    `rows` has the columns user_id and item_id (String), and day (Date) where the file tells it; `rejected`
    counts what was left out, by reason, and `rejected_rows` are the first of it.
    """

    rows: pl.DataFrame
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_rows: tuple[RejectedRow, ...] = ()


def read_probe(place: Place, *, strict: bool = False) -> Questions:
    """Who and what of probe.txt: a line is a customer's id.

    Raises UnusableSource where the place has no such file, or no good row in it; with `strict`, where a row
    is bad.
    """
    reasons = [
        ("more than a customer's id", pl.col("told").is_not_null()),
        # Whether an id is whole, only the end of its line tells.
        ("cut off: the file ends without an end of line", pl.col("is_cut_off")),
    ]
    found = _read(place, "probe.txt", reasons, strict=strict)
    return replace(found, rows=found.rows.drop("day"))


def read_qualifying(place: Place, *, strict: bool = False) -> Questions:
    """Who, what and when of qualifying.txt: a line is `customer,YYYY-MM-DD`. Raises as `read_probe`.

    Its ratings were never told, so that no protocol judges by it: it is read for predictions of one's own.
    """
    reasons = [("day missing or no day", pl.col("day").is_null())]
    return _read(place, "qualifying.txt", reasons, strict=strict)


def _read(place: Place, name: str, reasons: list[tuple[str, pl.Expr]], *, strict: bool) -> Questions:
    file = place.find(name)
    if file is None:
        raise UnusableSource(f"{place.path}: no {name} in it; name the folder or the archive that has it")
    content, said = place.read(file), place.named(file)
    # The header tells how many fields a line has at most: the first one is a movie's, and has one.
    fields = read_fields(said, b"user_id,told\n" + content.rstrip(b"\r\n"), separator=",")
    lines = under_movies(fields).with_row_index("line", offset=1)
    cut_off = (pl.col("line") == len(lines)) & (not content.endswith(b"\n"))
    rows = lines.filter(~pl.col("is_movie")).with_columns(
        pl.lit(said).alias("file"), day_of("told").alias("day"), cut_off.alias("is_cut_off")
    )
    good, rejections = without_bad_rows(rows, [bad_id("user_id"), bad_id("item_id"), *reasons])
    rejections.check(said, good=len(good), strict=strict)
    return Questions(
        rows=good.select("user_id", "item_id", "day"),
        rejected=rejections.count,
        rejected_rows=rejections.first,
    )

"""The Netflix Prize as it came: training_set/mv_*.txt, or combined_data_*.txt.

A line `MOVIE_ID:` and below it `customer_id,rating,YYYY-MM-DD`, one for each rating; a day is its midnight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import polars as pl

from training.errors import UnusableSource
from training.sources.place import Place
from training.sources.raw_log import RawLog, read_fields
from training.sources.within_day import order_hash_of

BLOCK_BYTES = 32 << 20
"""How much of the files is cut into rows at a time: about 1.5 million of them."""

_RATINGS = re.compile(r"(mv_\d+|combined_data_\d+)\.txt(\.gz)?")
_MOVIE = re.compile(r"\d+:")
_HEADER = b"user_id,rating,day\n"


class _Piece(NamedTuple):
    """Whole lines of a file, the first of which is its line `line` (from 1)."""

    name: str
    line: int
    content: bytes
    is_last: bool


def find_netflix(place: Place) -> str | None:
    """The first of its files of ratings, where the place has any."""
    files = _files(place)
    return files[0] if files and _MOVIE.fullmatch(place.first_line(files[0])) else None


def rating_files(place: Place) -> list[str]:
    """Its files of ratings. Raises UnusableSource where they are there in both forms."""
    files = _files(place)
    forms = {PurePosixPath(name).name[:3]: name for name in files}
    if len(forms) > 1:
        raise UnusableSource(
            f"{place.path}: the ratings are there twice, {' and '.join(forms.values())}; "
            "name one folder or file"
        )
    return files


def read_netflix(place: Place, file: str) -> RawLog:
    """The ratings of all files of the place; those of one day in the order of `within_day`.

    Raises UnusableSource.
    """
    rows = pl.concat(netflix_tables(place))
    in_order = np.argsort(order_hash_of(rows["user_id"], rows["item_id"]), kind="stable")
    names = {name: place.named(name) for name in rows["file"].unique()}
    said = pl.col("file").replace(names)
    return RawLog(file=place.named(file), rows=rows[in_order].with_columns(said))


def netflix_tables(
    place: Place,
    *,
    block_bytes: int = BLOCK_BYTES,
    on_bytes: Callable[[int], None] = lambda done: None,
) -> Iterator[pl.DataFrame]:
    """The rows of all files, in their order, some at a time: file (its name in the place), line, user_id,
    item_id, rating as text, and timestamp in ms.

    `on_bytes` is told how many bytes of the files are read. Raises UnusableSource.
    """
    done, size, pieces, movie = 0, 0, list[_Piece](), ""
    for piece in (piece for name in rating_files(place) for piece in _pieces(place, name, block_bytes)):
        pieces.append(piece)
        size += len(piece.content)
        # The movie of a file's next lines is known when the lines before them are cut.
        if not piece.is_last or size >= block_bytes:
            table, movie = _table(pieces, movie=movie)
            if piece.is_last:
                movie = ""
            yield table
            done, size, pieces = done + size, 0, []
            on_bytes(done)
    if pieces:
        yield _table(pieces, movie=movie)[0]
        on_bytes(done + size)


def under_movies(lines: pl.DataFrame) -> pl.DataFrame:
    """The same lines, each with its item_id, the movie of the next line `MOVIE_ID:` above it, and is_movie,
    whether it is such a line itself: one with a single field, in the column user_id."""
    is_movie = pl.col("user_id").str.ends_with(":") & pl.col(lines.columns[1]).is_null()
    movie = pl.when(is_movie).then(pl.col("user_id").str.strip_suffix(":"))
    return lines.with_columns(
        movie.forward_fill().alias("item_id"), is_movie.fill_null(False).alias("is_movie")
    )


def day_of(column: str) -> pl.Expr:
    """The days of a column of text as Date; null where one is not YYYY-MM-DD."""
    # Of another length it may be cut off: 2005-09-1 would be read as another day.
    whole = pl.when(pl.col(column).str.len_bytes() == len("YYYY-MM-DD")).then(pl.col(column))
    return whole.str.to_date("%Y-%m-%d", strict=False)


def _files(place: Place) -> list[str]:
    return [name for name in place.names if _RATINGS.fullmatch(PurePosixPath(name).name)]


def _pieces(place: Place, name: str, block_bytes: int) -> Iterator[_Piece]:
    line, rest = 1, b""
    for block in place.blocks(name, block_bytes):
        content = rest + block
        if len(block) < block_bytes:
            content = content.rstrip(b"\r\n")
            # Even where it is empty: what follows is of another file, and of no movie yet.
            yield _Piece(name, line, content and content + b"\n", is_last=True)
            return
        whole = content.rfind(b"\n") + 1
        content, rest = content[:whole], content[whole:]
        if content:
            yield _Piece(name, line, content, is_last=False)
            line += content.count(b"\n")


def _table(pieces: list[_Piece], *, movie: str) -> tuple[pl.DataFrame, str]:
    """The rows of these pieces, of which the first begins under `movie`; and the movie that they end with."""
    # Each piece begins with a movie of its own, so that none takes that of another file.
    heads = [movie, *[""] * (len(pieces) - 1)]
    content = b"".join(
        f"{head}:\n".encode() + piece.content for head, piece in zip(heads, pieces, strict=True)
    )
    # The header tells how many fields there are: the first line is a movie's, and has one.
    lines = read_fields(pieces[0].name, _HEADER + content, separator=",")
    rows = [piece.content.count(b"\n") + 1 for piece in pieces]
    of_piece = np.repeat(np.arange(len(pieces)), rows)[: len(lines)]
    first_line = np.array([piece.line - 1 for piece in pieces]) - np.cumsum([0, *rows[:-1]])
    table = under_movies(lines).select(
        pl.Series("file", [piece.name for piece in pieces]).gather(of_piece),
        pl.Series("line", np.arange(len(lines)) + first_line[of_piece], dtype=pl.UInt32),
        "user_id",
        "item_id",
        "rating",
        day_of("day").dt.epoch("ms").alias("timestamp"),
        "is_movie",
    )
    return table.filter(~pl.col("is_movie")).drop("is_movie"), str(table["item_id"][-1])

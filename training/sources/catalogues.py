"""The items of published data sets, as they come: identity, title, categories (and year, where it is told).

MovieLens has u.item, movies.dat or movies.csv, the Netflix Prize movie_titles, RecBole name.item, Amazon
meta_*.jsonl. Encodings are what they are: UTF-8 where it fits, else Latin-1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from training.sources.place import Place

Row = dict[str, Any]
"""item_id; title and categories where they are known; further fields as they come."""

_Read = Callable[[str], Iterator[tuple[int, Row]]]

_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_NO_GENRES = "(no genres listed)"


def read_catalogue(place: Place) -> list[tuple[int, Row]] | None:
    """Line number (from 1) and fields of each item of the first such file in the place; None where none is.

    A line that is cut off has fewer fields. Raises UnusableSource where the file cannot be read.
    """
    for file in place.names:
        if (reader := _reader_of(place, file)) is not None:
            return list(reader(_text(place.read(file))))
    return None


def _reader_of(place: Place, file: str) -> _Read | None:
    """By the file's name, and its first line where that alone does not tell."""
    name = PurePosixPath(file.lower().removesuffix(".gz")).name
    if name == "movies.csv":
        return _movies_csv if place.first_line(file).lower().startswith("movieid,") else None
    if name.endswith(".item"):
        if "item_id:token" in place.first_line(file):
            return _recbole
        return _u_item if name == "u.item" else None
    if name.startswith("meta") and name.endswith((".json", ".jsonl")):
        return _amazon if "asin" in place.first_line(file) else None
    if name in ("movie_titles.txt", "movie_titles.csv"):
        return _movie_titles
    return _movies_dat if name == "movies.dat" else None


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines: a title may hold what it takes for a line's end.
    lines = enumerate(text.split("\n"), start=1)
    return ((number, line.rstrip("\r")) for number, line in lines if line.rstrip("\r"))


def _u_item(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in _lines(text):
        fields = line.split("|")
        flags = fields[-len(_GENRES_100K) :]
        genres = [name for name, flag in zip(_GENRES_100K, flags, strict=False) if flag == "1"]
        yield number, _row(fields, genres)


def _movies_dat(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in _lines(text):
        fields = line.split("::")
        yield number, _row(fields, _genres(fields))


def _movies_csv(text: str) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(io.StringIO(text))
    next(reader, None)
    for fields in reader:
        yield reader.line_num, _row(fields, _genres(fields))


def _movie_titles(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in _lines(text):
        identity, _, rest = line.partition(",")
        year, _, title = rest.partition(",")  # a title may hold commas
        yield number, _row([identity, title], []) | ({"year": int(year)} if year.isdigit() else {})


def _recbole(text: str) -> Iterator[tuple[int, Row]]:
    lines = _lines(text)
    names = [field.partition(":")[0] for field in next(lines, (1, ""))[1].split("\t")]
    for number, line in lines:
        fields = dict(zip(names, line.split("\t"), strict=False))
        title = next((fields[name] for name in ("movie_title", "title", "item_name") if name in fields), "")
        categories = next((fields[name] for name in ("class", "genre", "categories") if name in fields), "")
        yield number, _row([fields.get("item_id", ""), title], categories.split())


def _amazon(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in _lines(text):
        try:
            fields = msgspec.json.decode(line)
        except msgspec.DecodeError:
            fields = {}
        fields = fields if isinstance(fields, dict) else {}
        identity = str(fields.get("parent_asin") or fields.get("asin") or "")
        given = fields.get("categories") or fields.get("category") or [fields.get("main_category")]
        flat = [name for one in given for name in (one if isinstance(one, list) else [one])]
        yield number, _row([identity, str(fields.get("title") or "")], [str(name) for name in flat if name])


def _genres(fields: list[str]) -> list[str]:
    return [name for name in fields[2].split("|") if name and name != _NO_GENRES] if len(fields) > 2 else []


def _row(fields: list[str], categories: list[str]) -> Row:
    row: Row = {"item_id": fields[0]}
    if len(fields) > 1 and fields[1]:
        row["title"] = fields[1]
    if categories:
        row["categories"] = list(dict.fromkeys(categories))
    return row

"""MovieLens as GroupLens publishes it (https://grouplens.org/datasets/movielens): ratings, in seconds.

100k has u.data (tabs, no header); 1M and 10M have ratings.dat (`::`); 20M and latest have ratings.csv.
"""

from __future__ import annotations

from training.sources.place import Place
from training.sources.raw_log import RawLog, read_delimited

_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
_CSV_NAMES = {"userid": "user_id", "movieid": "item_id", "rating": "rating", "timestamp": "timestamp"}
_UNIT_MS = 1000


def find_movielens(place: Place) -> str | None:
    """Its file of ratings, where the place has one."""
    for name in ("u.data", "ratings.dat", "ratings.csv"):
        found = place.find(name)
        if found is not None and _looks_right(name, place.first_line(found)):
            return found
    return None


def read_movielens(place: Place, file: str) -> RawLog:
    """The ratings. Raises UnusableSource."""
    content, said = place.read(file), place.named(file)
    plain = file.lower().removesuffix(".gz")
    if plain.endswith(".csv"):
        return read_delimited(said, content, separator=",", names=_CSV_NAMES, unit_ms=_UNIT_MS, quoted=True)
    if plain.endswith(".dat"):
        content = content.replace(b"::", b"\t")
    return read_delimited(said, content, separator="\t", columns=_COLUMNS, unit_ms=_UNIT_MS)


def _looks_right(name: str, line: str) -> bool:
    if name == "ratings.csv":
        return {"userid", "movieid", "rating"} <= set(line.lower().split(","))
    return len(line.split("::" if name == "ratings.dat" else "\t")) == len(_COLUMNS)

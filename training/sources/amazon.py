"""Amazon reviews, JSON lines (https://amazon-reviews-2023.github.io and, before it, 2014 and 2018).

2023: user_id, parent_asin or asin, rating, timestamp in milliseconds; before: reviewerID, asin, overall,
unixReviewTime in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import polars as pl

from training.errors import UnusableSource
from training.sources.place import Place, only_one
from training.sources.raw_log import RawLog

_NAMES_2023 = {"user_id": ("user_id",), "item_id": ("parent_asin", "asin"), "rating": ("rating",)}
_NAMES_BEFORE = {"user_id": ("reviewerID",), "item_id": ("asin",), "rating": ("overall",)}


def find_amazon(place: Place) -> str | None:
    """Its file of reviews, where the place has one. Raises UnusableSource where it has several."""
    names = [name for suffix in (".jsonl", ".json") for name in place.all_ending(suffix)]
    return only_one(place, [name for name in names if _is_review(_fields(place.first_line(name)))])


def read_amazon(place: Place, file: str) -> RawLog:
    """The reviews; a line that is no JSON object has nulls. Raises UnusableSource."""
    lines = place.read(file).splitlines()
    if not lines:
        raise UnusableSource(f"{place.named(file)}: empty; fetch it again")
    before = "reviewerID" in _fields(lines[0])
    time_name, names = ("unixReviewTime", _NAMES_BEFORE) if before else ("timestamp", _NAMES_2023)
    names = {**names, "timestamp": (time_name,)}
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    for line in lines:
        fields = _fields(line)
        for name, given in names.items():
            value = next((fields[one] for one in given if fields.get(one) is not None), None)
            columns[name].append(None if value is None else str(value))
    rows = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_row_index("line", offset=1)
    return RawLog(file=place.named(file), rows=rows, unit_ms=1000 if before else 1)


def _is_review(fields: Mapping[str, object]) -> bool:
    # The file of the products, meta_*, has no users.
    return bool(fields.keys() & {"asin", "parent_asin"}) and bool(fields.keys() & {"user_id", "reviewerID"})


def _fields(line: str | bytes) -> Mapping[str, object]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}

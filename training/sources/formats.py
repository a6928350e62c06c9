"""The formats that a log may come in, and which of them a place holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from training.errors import UnusableSource
from training.sources.amazon import find_amazon, read_amazon
from training.sources.movielens import find_movielens, read_movielens
from training.sources.netflix import find_netflix, read_netflix
from training.sources.place import Place
from training.sources.raw_log import RawLog
from training.sources.recbole import find_recbole, read_recbole
from training.sources.tabular import find_table, read_table

TABLE = "table"


class Format(NamedTuple):
    """How a place is known to hold a log of this format, and how it is read."""

    find: Callable[[Place], str | None]
    read: Callable[[Place, str], RawLog]


FORMATS: Mapping[str, Format] = {
    "movielens": Format(find_movielens, read_movielens),
    "netflix": Format(find_netflix, read_netflix),
    "recbole": Format(find_recbole, read_recbole),
    "amazon": Format(find_amazon, read_amazon),
    TABLE: Format(find_table, read_table),
}
"""By the name that `--format` takes, in the order in which they are tried."""


def read_published(place: Place) -> RawLog | None:
    """The log of a place that holds a published data set; None where it holds none. Raises UnusableSource."""
    for name, format_ in FORMATS.items():
        if name != TABLE and (file := format_.find(place)) is not None:
            return format_.read(place, file)
    return None


def read_raw(place: Place, *, format_name: str | None = None) -> RawLog:
    """The log of a place, whose format is found from its content unless it is named.

    Raises UnusableSource where no format, or not that one, fits, or the file cannot be read.
    """
    if format_name is None and (published := read_published(place)) is not None:
        return published
    format_ = FORMATS[format_name or TABLE]
    if (file := format_.find(place)) is not None:
        return format_.read(place, file)
    wanted = " or ".join(FORMATS) if format_name is None else format_name
    raise UnusableSource(
        f"{place.path}: no log of the format {wanted} in it; name a file of interactions, or put "
        "interactions.parquet, .csv or .jsonl there"
    )

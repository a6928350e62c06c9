"""The formats that a log may come in, and which of them a place holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from training.errors import UnusableSource
from training.sources.amazon import find_amazon, read_amazon
from training.sources.movielens import find_movielens, read_movielens
from training.sources.netflix import find_netflix, read_netflix
from training.sources.ordered import find_ordered, read_ordered
from training.sources.place import Place
from training.sources.raw_log import RawLog
from training.sources.recbole import find_recbole, read_recbole
from training.sources.tabular import find_table, read_table

NETFLIX, TABLE = "netflix", "table"


class Format(NamedTuple):
    """How a place is known to hold a log of this format, and how it is read."""

    find: Callable[[Place], str | None]
    read: Callable[[Place, str], RawLog]


FORMATS: Mapping[str, Format] = {
    "movielens": Format(find_movielens, read_movielens),
    NETFLIX: Format(find_netflix, read_netflix),
    "recbole": Format(find_recbole, read_recbole),
    "amazon": Format(find_amazon, read_amazon),
    "order": Format(find_ordered, read_ordered),
    TABLE: Format(find_table, read_table),
}
"""By the name that `--format` takes, in the order in which they are tried."""


def read_published(place: Place) -> RawLog | None:
    """The log of a place that holds a published data set; None where it holds none. Raises UnusableSource."""
    found = _find_published(place)
    return None if found is None else FORMATS[found[0]].read(place, found[1])


def find_format(place: Place, *, format_name: str | None = None) -> tuple[str, str]:
    """The format of a place, and the file that it is read by; found from the content unless it is named.

    Raises UnusableSource where no format, or not that one, fits.
    """
    if format_name is None and (published := _find_published(place)) is not None:
        return published
    name = format_name or TABLE
    if (file := FORMATS[name].find(place)) is not None:
        return name, file
    wanted = " or ".join(FORMATS) if format_name is None else format_name
    raise UnusableSource(
        f"{place.path}: no log of the format {wanted} in it; name a file of interactions, or put "
        "interactions.parquet, .csv or .jsonl there"
    )


def _find_published(place: Place) -> tuple[str, str] | None:
    for name, format_ in FORMATS.items():
        if name != TABLE and (file := format_.find(place)) is not None:
            return name, file
    return None

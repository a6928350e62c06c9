"""RecBole's atomic files (https://recbole.io/docs/user_guide/data/atomic_files.html): name.inter, by tabs.

The header says each field's name and kind, as in `user_id:token`; times are in seconds.
"""

from __future__ import annotations

from training.sources.place import Place, only_one
from training.sources.raw_log import RawLog, read_delimited

_NAMES = {
    "user_id:token": "user_id",
    "item_id:token": "item_id",
    "rating:float": "rating",
    "timestamp:float": "timestamp",
}


def find_recbole(place: Place) -> str | None:
    """Its file of interactions, where the place has one. Raises UnusableSource where it has several."""
    found = [name for name in place.all_ending(".inter") if "user_id:token" in place.first_line(name)]
    return only_one(place, found)


def read_recbole(place: Place, file: str) -> RawLog:
    """The interactions; fields of other names are left out. Raises UnusableSource."""
    return read_delimited(place.named(file), place.read(file), separator="\t", names=_NAMES, unit_ms=1000)

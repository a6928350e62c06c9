"""Published data sets, as they come, as rows to send: MovieLens, the Netflix Prize, RecBole, Amazon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stream_app.cli.errors import Failure
from stream_app.cli.tables import Rejects, Table, read_table

if TYPE_CHECKING:
    from training.sources.place import Place

_T = TypeVar("_T")

FILE_HELP = (
    "Parquet, CSV, JSON lines; or MovieLens, the Netflix Prize, RecBole's files, Amazon's: a file, a folder "
    "or a zip archive."
)


def published_items(path: Path) -> Table | None:
    """The items of one, where the file, folder or archive holds such; None where it is a file of other rows.

    Raises Failure where nothing is there, or a folder or archive holds none; UnusableSource where what is
    there cannot be read.
    """
    from training.sources.catalogues import read_catalogue

    rows = _read(path, read_catalogue, what="items")
    return None if rows is None else Table.numbered(rows)


def read_items(path: Path, *, rejects: Rejects) -> Table:
    """The items of a published data set, or of a table that has the column item_id.

    Raises as `published_items` and `tables.read_table`.
    """
    table = published_items(path)
    return read_table(path, rejects=rejects, required=("item_id",)) if table is None else table


def published_log(path: Path) -> Table | None:
    """The events of one, in order of time; as `published_items`."""
    from training.sources.formats import read_published

    raw = _read(path, read_published, what="events")
    if raw is None:
        return None
    rows = raw.rows.with_columns(raw.time_ms().alias("timestamp"))
    return Table.of_lines(rows.sort("timestamp", maintain_order=True, nulls_last=True))


def _read(path: Path, read: Callable[[Place], _T | None], *, what: str) -> _T | None:
    from training.sources.place import Place

    if not path.exists():
        raise Failure(f"{path} is not there")
    found = read(Place(path))
    if found is None and (path.is_dir() or path.suffix.lower() == ".zip"):
        raise Failure(f"{path}: no {what} of a known data set in it; name the file of {what} itself")
    return found

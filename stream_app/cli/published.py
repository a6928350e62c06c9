"""Published data sets, as they come, as rows to send: MovieLens, the Netflix Prize, RecBole, Amazon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stream_app.cli.errors import Failure
from stream_app.cli.tables import Table

if TYPE_CHECKING:
    from training.sources.place import Place


FILE_HELP = (
    "Parquet, CSV, JSON lines; or MovieLens, the Netflix Prize, RecBole's files, Amazon's: a file, a folder "
    "or a zip archive."
)


def published_items(path: Path) -> Table | None:
    """The items of one, where the file, folder or archive holds such; None where it is a file of other rows.

    Raises Failure where nothing is there, it cannot be read, or a folder or archive holds none.
    """
    from training.errors import UnusableSource
    from training.sources.catalogues import read_catalogue

    try:
        rows = read_catalogue(_place(path))
    except UnusableSource as error:
        raise Failure(str(error)) from None
    if rows is None:
        _refuse_without(path, "items")
        return None
    return Table.numbered(rows)


def published_log(path: Path) -> Table | None:
    """The events of one, in order of time; as `published_items`."""
    from training.errors import UnusableSource
    from training.sources.formats import read_published

    try:
        raw = read_published(_place(path))
    except UnusableSource as error:
        raise Failure(str(error)) from None
    if raw is None:
        _refuse_without(path, "events")
        return None
    rows = raw.rows.with_columns(raw.time_ms().alias("timestamp"))
    return Table.of_lines(rows.sort("timestamp", maintain_order=True, nulls_last=True))


def _place(path: Path) -> Place:
    from training.sources.place import Place

    if not path.exists():
        raise Failure(f"{path} is not there")
    return Place(path)


def _refuse_without(path: Path, what: str) -> None:
    if path.is_dir() or path.suffix.lower() == ".zip":
        raise Failure(f"{path}: no {what} of a known data set in it; name the file of {what} itself")

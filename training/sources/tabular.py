"""Plain tables of interactions: Parquet, CSV, JSON lines with user_id, item_id, timestamp[, type, rating]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import polars as pl

from stream_app.domain.decoding import EARLIEST_MS
from training.errors import UnusableSource
from training.sources.place import Place
from training.sources.raw_log import RawLog

_SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson")


def find_table(place: Place) -> str | None:
    """A folder's `interactions.*`, or the file that was named."""
    if len(place.names) == 1 and place.path.is_file():
        return place.names[0]
    return next((found for suffix in _SUFFIXES if (found := place.find(f"interactions{suffix}"))), None)


def read_table(place: Place, file: str) -> RawLog:
    """The rows. Raises UnusableSource where it is no such table."""
    said = place.named(file)
    suffix = PurePosixPath(file.lower().removesuffix(".gz")).suffix
    readers: dict[str, Callable[[bytes], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
    }
    reader = readers.get(suffix)
    if reader is None:
        raise UnusableSource(f"{said}: unknown kind of file; name it .parquet, .csv or .jsonl")
    try:
        table = reader(place.read(file))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableSource(f"{said}: not readable as {suffix[1:]} ({_line(error)})") from error
    rows = table.with_row_index("line", offset=2 if suffix == ".csv" else 1)
    return RawLog(file=said, rows=rows, unit_ms=_unit_ms(rows))


def _unit_ms(rows: pl.DataFrame) -> int:
    """Seconds, where a table has numbers for times and none of them could be milliseconds; as in a replay."""
    if "timestamp" not in rows.columns or rows.schema["timestamp"].is_temporal():
        return 1
    latest = rows.select(pl.col("timestamp").cast(pl.Float64, strict=False).max()).item()
    return 1000 if latest is not None and latest < EARLIEST_MS else 1


def _read_csv(content: bytes) -> pl.DataFrame:
    return pl.read_csv(content, infer_schema=False)  # an id like 007 stays what it is, as in a replay


def _read_json_lines(content: bytes) -> pl.DataFrame:
    return pl.read_ndjson(content, infer_schema_length=10_000)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

"""Plain tables of interactions: Parquet, CSV, JSON lines with user_id, item_id, timestamp[, type, rating]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import msgspec
import polars as pl

from stream_app.domain.decoding import EARLIEST_MS
from training.errors import UnusableSource
from training.sources.place import Place
from training.sources.raw_log import CONTEXT, SURPLUS, RawLog

_COLUMNS = ("user_id", "item_id", "timestamp", "type", "rating", CONTEXT)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
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
    content = place.read(file)
    if not content.strip():
        raise UnusableSource(f"{said}: empty; fetch it again, or name another file")
    try:
        table = reader(content)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableSource(f"{said}: not readable as {suffix[1:]} ({_line(error)})") from error
    # In JSON lines an empty line counts as one.
    if suffix in (".parquet", ".csv"):
        table = table.drop("line", strict=False).with_row_index("line", offset=2 if suffix == ".csv" else 1)
    return RawLog(file=said, rows=table, unit_ms=_unit_ms(table))


def _unit_ms(rows: pl.DataFrame) -> int:
    """Seconds, where a table has numbers for times and none of them could be milliseconds; as in a replay."""
    if "timestamp" not in rows.columns or rows.schema["timestamp"].is_temporal():
        return 1
    latest = rows.select(pl.col("timestamp").cast(pl.Float64, strict=False).max()).item()
    return 1000 if latest is not None and latest < EARLIEST_MS else 1


def _read_csv(content: bytes) -> pl.DataFrame:
    """All as text: an id like 007 stays what it is, as in a replay."""
    head, end, rest = content.partition(b"\n")
    # One column more, which a line that has too many fields fills.
    named = head.rstrip(b"\r") + b"," + SURPLUS.encode() + end + rest
    return pl.read_csv(named, infer_schema=False, truncate_ragged_lines=True)


def _read_json_lines(content: bytes) -> pl.DataFrame:
    """A line that is no JSON object has nulls; a value that is no text, number or truth is left out, but for
    the context, which is an object.
    """
    columns: dict[str, list[object]] = {name: [] for name in _COLUMNS}
    numbers = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        fields = found if isinstance(found, dict) else {}
        numbers.append(number)
        for name, values in columns.items():
            value = fields.get(name)
            if name == CONTEXT:
                values.append(_encode(value).decode() if isinstance(value, dict) else None)
            else:
                values.append(str(value) if isinstance(value, str | int | float) else None)
    told = {name: values for name, values in columns.items() if any(one is not None for one in values)}
    return pl.DataFrame({"line": numbers, **told}, schema_overrides={"line": pl.UInt32})


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

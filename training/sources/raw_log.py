"""A log as its file has it: rows of text, before anything of them is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from training.errors import UnusableSource

SURPLUS = "surplus"
"""The column of what a line has beyond the fields of the header, null where it has nothing."""

CONTEXT = "context"
"""The column of the events' own circumstances: JSON objects as text, or structs; null where none are told."""

_NEEDED = ("user_id", "item_id", "timestamp")


@dataclass(frozen=True, kw_only=True)
class RawLog:
    """The rows of a file, in its order.

    `rows` has the columns line (UInt32, from 1), user_id, item_id, timestamp, and type or rating or neither,
    context where there is one, and file where there are several; `unit_ms` is what its timestamps count, in
    milliseconds. Raises UnusableSource where a column that every log needs is missing.
    """

    file: str
    rows: pl.DataFrame
    unit_ms: int = 1

    def __post_init__(self) -> None:
        missing = [name for name in _NEEDED if name not in self.rows.columns]
        if missing:
            found = ", ".join(name for name in self.rows.columns if name != "line")
            raise UnusableSource(
                f"{self.file}: no column {', '.join(missing)}; found {found}; rename the columns"
            )

    def time_ms(self) -> pl.Expr:
        """The rows' timestamps in ms since the epoch, Int64; null where one is no time."""
        column, kind = pl.col("timestamp"), self.rows.schema["timestamp"]
        if kind.is_integer():
            return column.cast(pl.Int64) * self.unit_ms
        if kind.is_temporal():
            return column.cast(pl.Datetime("ms")).dt.epoch("ms")
        # RecBole writes 8.81250949E8.
        number = (column.cast(pl.Float64, strict=False) * self.unit_ms).round().cast(pl.Int64, strict=False)
        if kind != pl.String or self.rows.select(number.is_not_null().any()).item():
            return number
        # Not one number: 2005-09-06, or 2005-09-06T12:00:00+02:00.
        text = column.str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00").str.replace(" ", "T")
        return text.str.to_datetime(time_zone="UTC", strict=False, time_unit="ms").dt.epoch("ms")


def read_delimited(
    file: str,
    content: bytes,
    *,
    separator: str,
    columns: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    unit_ms: int,
    quoted: bool = False,
) -> RawLog:
    """Lines of fields as text. A line that is too short has nulls at its end.

    `columns` names the fields of a file without a header; with one, `names` says what its fields, in lower
    case, are here, and the others are left out. Raises UnusableSource where a line cannot be cut.
    """
    table = read_fields(file, content, separator=separator, columns=columns, quoted=quoted)
    first_line = 1 if columns else 2
    if names is not None:
        found = {name: names[name.lower()] for name in table.columns if name.lower() in names}
        table = table.select(list(found)).rename(found)
    return RawLog(file=file, rows=table.with_row_index("line", offset=first_line), unit_ms=unit_ms)


def read_fields(
    file: str,
    content: bytes,
    *,
    separator: str,
    columns: Sequence[str] | None = None,
    quoted: bool = False,
) -> pl.DataFrame:
    """The fields of each line as text, under the names of the header, or under `columns` where there is none.

    Raises UnusableSource where a line cannot be cut.
    """
    try:
        return pl.read_csv(
            content,
            separator=separator,
            has_header=columns is None,
            new_columns=list(columns) if columns else None,
            quote_char='"' if quoted else None,
            infer_schema=False,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
        )
    except pl.exceptions.NoDataError as error:
        raise UnusableSource(f"{file}: empty; fetch it again") from error
    except pl.exceptions.PolarsError as error:
        raise UnusableSource(f"{file}: cannot be cut into fields ({str(error).splitlines()[0]})") from error

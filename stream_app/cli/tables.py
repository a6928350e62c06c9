"""Files of rows: Parquet, CSV and JSON lines, read as plain dictionaries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream_app.cli.errors import Failure
from stream_app.domain.decoding import EARLIEST_MS

if TYPE_CHECKING:
    import polars

Row = dict[str, Any]
_NUMBER = "__row"


@dataclass
class Rejects:
    """Rows that were left out: how many, and the first of them, by the field at fault."""

    by_field: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, at_fault: str, reason: str, *, row: int) -> None:
        """Count one; `row` counts from 1."""
        entry = self.by_field.setdefault(at_fault, {"count": 0, "first": f"row {row}: {reason}"})
        entry["count"] += 1

    def lines(self) -> list[str]:
        """For people: one line a field."""
        return [
            f"rejected {e['count']} for {name} (first: {e['first']})" for name, e in self.by_field.items()
        ]


@dataclass(frozen=True)
class Table:
    """Rows of a file, each with its number there (from 1)."""

    rows: polars.DataFrame | list[Row]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        for row in self.rows if isinstance(self.rows, list) else self.rows.iter_rows(named=True):
            yield row[_NUMBER], {name: value for name, value in row.items() if name != _NUMBER}

    @classmethod
    def numbered(cls, rows: Iterable[tuple[int, Row]]) -> Table:
        """Of rows that were read elsewhere, each with its number."""
        return cls([{**row, _NUMBER: number} for number, row in rows])

    @classmethod
    def of_lines(cls, rows: polars.DataFrame) -> Table:
        """Of a frame whose column `line` has the numbers."""
        return cls(rows.rename({"line": _NUMBER}))

    def part(self, start: float, end: float) -> Table:
        """The rows between two fractions of them."""
        return Table(self.rows[round(len(self) * start) : round(len(self) * end)])


def read_table(
    path: Path, *, rejects: Rejects, required: Sequence[str], order_by: str | None = None
) -> Table:
    """Read a file by its ending, in the order of the numbers in column `order_by`; equal ones keep theirs.

    In a CSV every value is text, so that an id like 007 stays what it is. Times become milliseconds, numbers
    in `order_by` too where none of them could be milliseconds: they are seconds. Lines that are no JSON
    object are rejected.

    Raises:
        Failure: no such file, an unknown ending, unreadable, or a column of `required` is missing.
    """
    if not path.is_file():
        raise Failure(f"{path} is not there")
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return Table(_read_lines(path, rejects=rejects, order_by=order_by))
    if ending in (".parquet", ".csv"):
        return Table(_read_frame(path, ending, required=required, order_by=order_by))
    raise Failure(f"{path}: cannot tell what it is; the name must end in .parquet, .csv or .jsonl")


def whole_number(value: Any) -> int | None:
    """A number or its text as int; None where it is neither."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _read_frame(
    path: Path, ending: str, *, required: Sequence[str], order_by: str | None
) -> polars.DataFrame:
    import polars as pl

    try:
        frame = pl.read_parquet(path) if ending == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Failure(f"{path} cannot be read as {ending[1:]}: {str(error).splitlines()[0]}") from None
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise Failure(f"{path} has no column {', '.join(missing)}; it has {', '.join(frame.columns)}")
    times = [name for name, kind in frame.schema.items() if kind.is_temporal()]
    frame = frame.with_columns(pl.col(name).dt.epoch("ms") for name in times).with_row_index(
        _NUMBER, offset=1
    )
    if order_by is None:
        return frame
    number = pl.col(order_by).cast(pl.Int64, strict=False)
    latest = frame.select(number.max()).item()
    if latest is not None and latest < EARLIEST_MS:
        frame = frame.with_columns((number * 1000).alias(order_by))
    return frame.sort(number, maintain_order=True, nulls_last=True)


def _read_lines(path: Path, *, rejects: Rejects, order_by: str | None) -> list[Row]:
    rows: list[Row] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                rejects.add("line", f"not JSON: {error}", row=number)
                continue
            if isinstance(row, dict):
                rows.append({**row, _NUMBER: number})
            else:
                rejects.add("line", "not a JSON object", row=number)
    if order_by is not None:
        moments = [whole_number(row.get(order_by)) for row in rows]
        if max((at for at in moments if at is not None), default=EARLIEST_MS) < EARLIEST_MS:
            moments = [at if at is None else at * 1000 for at in moments]
            rows = [{**row, order_by: at} for row, at in zip(rows, moments, strict=True)]
        never = float("inf")
        rows.sort(key=lambda row: never if (at := whole_number(row.get(order_by))) is None else at)
    return rows

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from stream_app.cli.errors import Failure
from stream_app.cli.tables import Rejects, read_table

ROWS = [
    {"user_id": "007", "item_id": "a", "timestamp": 1_700_000_000_300},
    {"user_id": "b", "item_id": "b", "timestamp": 1_700_000_000_100},
    {"user_id": "c", "item_id": "c", "timestamp": 1_700_000_000_300},
    {"user_id": "d", "item_id": "d", "timestamp": 1_700_000_000_200},
]


def write(folder: Path, ending: str) -> Path:
    path, frame = folder / f"log.{ending}", pl.DataFrame(ROWS)
    {"parquet": frame.write_parquet, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[ending](path)
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_rows_come_in_the_order_of_their_times_and_equal_ones_as_in_the_file(
    ending: str, tmp_path: Path
) -> None:
    table = read_table(
        write(tmp_path, ending), rejects=Rejects(), required=("user_id",), order_by="timestamp"
    )
    assert [(number, row["user_id"]) for number, row in table] == [(2, "b"), (4, "d"), (1, "007"), (3, "c")]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_part_is_a_fraction_of_the_log_in_time(ending: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path, ending), rejects=Rejects(), required=(), order_by="timestamp")
    parts = [[row["user_id"] for _, row in table.part(*ends)] for ends in ((0, 0.5), (0.5, 1))]
    assert parts == [["b", "d"], ["007", "c"]]


def test_lines_that_are_no_object_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"item_id": "a"}\n\nnot json\n[1]\n{"item_id": "b"}\n')
    rejects = Rejects()
    assert [number for number, _ in read_table(path, rejects=rejects, required=())] == [1, 5]
    assert rejects.by_field["line"]["count"] == 2
    assert rejects.by_field["line"]["first"].startswith("row 3: not JSON")


def test_dates_become_milliseconds(tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    pl.DataFrame({"timestamp": [at]}).write_parquet(tmp_path / "log.parquet")
    table = read_table(tmp_path / "log.parquet", rejects=Rejects(), required=())
    assert [row["timestamp"] for _, row in table] == [round(at.timestamp() * 1000)]


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no column type, k; it has user_id, item_id, timestamp"):
        read_table(write(tmp_path, "csv"), rejects=Rejects(), required=("user_id", "type", "k"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "is not there"),
        ("log.xlsx", b"PK", "must end in"),
        ("log.parquet", b"PAR1 and then nothing", "cannot be read as parquet"),
        ("log.csv", b"", "cannot be read as csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Failure, match=said) as caught:
        read_table(tmp_path / name, rejects=Rejects(), required=())
    assert "\n" not in str(caught.value)

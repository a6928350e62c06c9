"""Files of interactions."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stream_app.cli.tables import Rejects, read_table
from tests.unit.training.logs import rows_of
from training.errors import UnusableSource
from training.sources.files import read_interactions

T = 1_700_000_000_000


def _table(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(columns, strict=False)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_format_gives_the_same_events_in_order_of_time(tmp_path: Path, suffix: str) -> None:
    table = _table(
        user_id=[7, 8, 7], item_id=["a", "b", "c"], timestamp=[T + 2, T + 1, T + 1], type=["like"] * 3
    )
    path = tmp_path / f"log.{suffix}"
    {"parquet": table.write_parquet, "csv": table.write_csv, "jsonl": table.write_ndjson}[suffix](path)
    expected = [("8", "b", "like", T + 1), ("7", "c", "like", T + 1), ("7", "a", "like", T + 2)]
    assert rows_of(read_interactions(path)) == expected


def test_an_id_of_digits_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"user_id,item_id,timestamp\n007,0042,{T}\n")
    assert rows_of(read_interactions(path)) == [("007", "0042", "view", T)]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_table_of_seconds_is_taken_for_one(tmp_path: Path, suffix: str) -> None:
    rows = pl.DataFrame(
        {"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": [1_600_000_060, 1_600_000_000]}
    )
    path = tmp_path / f"log.{suffix}"
    {"parquet": rows.write_parquet, "csv": rows.write_csv, "jsonl": rows.write_ndjson}[suffix](path)
    log = read_interactions(path)
    assert (log.timestamp_ms.tolist(), log.users) == ([1_600_000_000_000, 1_600_000_060_000], ("v", "u"))
    replayed = read_table(path, rejects=Rejects(), required=(), order_by="timestamp")
    assert [(row["user_id"], row["timestamp"]) for _, row in replayed] == [
        ("v", 1_600_000_000_000),
        ("u", 1_600_000_060_000),
    ]


def test_a_rating_says_what_was_done_and_the_bounds_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    table = _table(user_id=["u"] * 4, item_id=list("abcd"), timestamp=[T] * 4, rating=[2.5, 3.0, 4.0, 3.5])
    table.write_csv(path)
    assert [row[2] for row in rows_of(read_interactions(path))] == ["dislike", "view", "like", "view"]
    stricter = read_interactions(path, like_from=3.5, dislike_below=2.0)
    assert [row[2] for row in rows_of(stricter)] == ["view", "view", "like", "like"]


def test_rows_that_no_worker_would_take_are_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    _table(
        user_id=["u", "", "u", "u", "u", None],
        item_id=["a", "a", "x" * 257, "a", "a", "a"],
        timestamp=[T, T, T, 1_700_000_000, T, T],
        type=["view", "view", "view", "view", "stare", "view"],
    ).write_parquet(path)
    log = read_interactions(path)
    assert len(log) == 1
    assert log.rejected == {
        "user_id missing, empty or over 256 bytes": 2,
        "item_id missing, empty or over 256 bytes": 1,
        "timestamp before 100000000000 ms (seconds?)": 1,
        "unknown type, or a rating that is no number": 1,
    }


def test_forget_takes_what_the_user_did_before_it(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    _table(
        user_id=["u", "v", "u", "u"],
        item_id=["a", "a", None, "b"],
        timestamp=[T, T + 1, T + 2, T + 3],
        type=["view", "view", "forget", "view"],
    ).write_parquet(path)
    assert [row[:2] for row in rows_of(read_interactions(path))] == [("v", "a"), ("u", "b")]


def test_a_folder_is_read_by_its_interactions(tmp_path: Path) -> None:
    _table(user_id=["u"], item_id=["a"], timestamp=[T]).write_parquet(tmp_path / "interactions.parquet")
    assert rows_of(read_interactions(tmp_path)) == [("u", "a", "view", T)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.txt", "x", "unknown kind of file"),
        ("log.parquet", "no parquet", "not readable as parquet"),
        ("log.csv", "user,item\n1,2\n", "no column user_id, item_id, timestamp"),
        ("log.csv", "user_id,item_id,timestamp\nu,a,12\n", "no usable rows"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnusableSource, match=said):
        read_interactions(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableSource, match="no such file"):
        read_interactions(tmp_path / "none.csv")


def test_a_line_with_too_many_fields_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "user_id,item_id,timestamp\nu,a,1600000000000\nu,b,1600000000001,c,d\nu,e,1600000000002\n"
    )
    log = read_interactions(tmp_path / "log.csv")
    assert (log.items, log.rejected) == (("a", "e"), {"more fields than the header has": 1})
    assert log.rejected_rows[0].line == 3


def test_a_line_that_is_no_json_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    lines = ['{"user_id":"u","item_id":"a","timestamp":1600000000000}', '{"user_id":"u",,', "", "[1]"]
    lines.append('{"user_id":"u","item_id":7,"timestamp":1600000000002,"context":{"x":[1]}}')
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    log = read_interactions(tmp_path / "log.jsonl")
    assert log.items == ("a", "7")
    assert log.rejected == {"user_id missing, empty or over 256 bytes": 2}
    assert [row.line for row in log.rejected_rows] == [2, 4]


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (["1600000000000000000", "1600000000000000001"], "timestamp after .* ms .nanoseconds"),
        (["yesterday", "today"], "timestamp missing or no time, the first in line 2"),
    ],
)
def test_times_that_are_none_are_said_with_the_line(tmp_path: Path, times: list[str], reason: str) -> None:
    rows = "".join(f"u,{item},{time}\n" for item, time in zip("ab", times, strict=True))
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\n" + rows)
    with pytest.raises(UnusableSource, match=reason):
        read_interactions(tmp_path / "log.csv")


@pytest.mark.parametrize(
    "time",
    ["2020-09-13T12:26:40", "2020-09-13 12:26:40", "2020-09-13T12:26:40Z", "2020-09-13T14:26:40+02:00"],
)
def test_times_as_text_are_read(tmp_path: Path, time: str) -> None:
    (tmp_path / "log.csv").write_text(f"user_id,item_id,timestamp\nu,a,{time}\n")
    assert read_interactions(tmp_path / "log.csv").timestamp_ms.tolist() == [1_600_000_000_000]


def test_days_are_read_as_text_and_as_dates(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [date(2020, 9, 13)]})
    rows.write_csv(tmp_path / "log.csv")
    rows.write_parquet(tmp_path / "log.parquet")
    for name in ("log.csv", "log.parquet"):
        assert read_interactions(tmp_path / name).timestamp_ms.tolist() == [1_599_955_200_000]


def test_a_row_without_a_type_goes_by_its_rating(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "user_id,item_id,timestamp,type,rating\nu,a,1600000000000,,5\nu,b,1600000000001,click,1\n"
    )
    assert [row[2] for row in rows_of(read_interactions(tmp_path / "log.csv"))] == ["like", "click"]

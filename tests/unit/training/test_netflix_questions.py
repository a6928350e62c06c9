"""The ratings that the Netflix Prize asks for: probe.txt and qualifying.txt."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from training.errors import UnusableSource
from training.interactions import RejectedRow
from training.sources.netflix_questions import read_probe, read_qualifying
from training.sources.place import Place

PROBE = "1:\n30878\n2647871\n10:\n1952305\n"
QUALIFYING = "1:\n1046323,2005-12-19\n1080030,2005-12-23\n10:\n12868,2005-10-19\n"


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_the_probe_names_customers_under_their_movies(tmp_path: Path, packed: str) -> None:
    content = PROBE.encode()
    (tmp_path / f"probe.txt{packed}").write_bytes(gzip.compress(content) if packed else content)
    found = read_probe(Place(tmp_path))
    assert found.rows.rows() == [("30878", "1"), ("2647871", "1"), ("1952305", "10")]
    assert found.rows.columns == ["user_id", "item_id"] and found.rejected == {}


def test_the_qualifying_set_names_the_day_too(tmp_path: Path) -> None:
    (tmp_path / "qualifying.txt").write_text(QUALIFYING.replace("\n", "\r\n"), newline="")
    found = read_qualifying(Place(tmp_path))
    assert found.rows.columns == ["user_id", "item_id", "day"]
    assert found.rows.rows() == [
        ("1046323", "1", date(2005, 12, 19)),
        ("1080030", "1", date(2005, 12, 23)),
        ("12868", "10", date(2005, 10, 19)),
    ]


@pytest.mark.parametrize("cut", range(1, 15))
def test_a_qualifying_set_that_was_cut_off_lacks_its_last_row_and_says_so(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "qualifying.txt"
    file.write_text(QUALIFYING[: -1 - cut])
    found = read_qualifying(Place(tmp_path))
    assert len(found.rows) == 2
    assert found.rejected_rows == (RejectedRow(file=str(file), line=5, reason="day missing or no day"),)
    with pytest.raises(UnusableSource, match=f"{file}, line 5: day missing or no day"):
        read_qualifying(Place(tmp_path), strict=True)


def test_a_probe_that_ends_within_a_line_lacks_that_row_for_its_id_may_be_cut(tmp_path: Path) -> None:
    file = tmp_path / "probe.txt"
    file.write_text(PROBE[:-3])
    found = read_probe(Place(tmp_path))
    assert found.rows.rows() == [("30878", "1"), ("2647871", "1")]
    (bad,) = found.rejected_rows
    assert (bad.file, bad.line) == (str(file), 5) and bad.reason.startswith("cut off")


def test_bad_rows_are_counted_by_reason_and_the_first_twenty_listed(tmp_path: Path) -> None:
    (tmp_path / "probe.txt").write_text("5\n1:\n30878\n" + "7,2005-12-19\n" * 12 + "\n" * 12 + "8\n")
    found = read_probe(Place(tmp_path))
    assert found.rows.rows() == [("30878", "1"), ("8", "1")]
    assert found.rejected == {
        "item_id missing, empty or over 256 bytes": 1,
        "user_id missing, empty or over 256 bytes": 12,
        "more than a customer's id": 12,
    }
    assert [row.line for row in found.rejected_rows] == [1, *range(4, 23)]


@pytest.mark.parametrize(
    ("content", "said"), [("", "it is empty"), ("1:\n", "it is empty"), ("5\n", "1 × item_id")]
)
def test_a_file_without_a_good_row_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "probe.txt").write_text(content)
    with pytest.raises(UnusableSource, match=f"probe.txt: no usable rows .*{said}"):
        read_probe(Place(tmp_path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read, name in ((read_probe, "probe.txt"), (read_qualifying, "qualifying.txt")):
        with pytest.raises(UnusableSource, match=f"no {name} in it"):
            read(Place(tmp_path))

"""Published data sets, in the very formats that their authors publish them in."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from stream_app.cli.published import published_log
from stream_app.cli.training_parts import LogFormat
from tests.unit.training.logs import rows_of
from training.errors import UnusableSource
from training.interactions import RejectedRow
from training.sources.files import read_interactions
from training.sources.formats import FORMATS

AT = 881_250_949_000
EXPECTED = [
    ("196", "242", "view", AT),
    ("186", "302", "like", AT + 5000),
    ("196", "51", "dislike", AT + 9000),
]
"""What each of the files below says."""

U_DATA = "196\t242\t3\t881250949\n186\t302\t4\t881250954\n196\t51\t2\t881250958\n"
RATINGS_DAT = U_DATA.replace("\t", "::")
RATINGS_CSV = "userId,movieId,rating,timestamp\n" + U_DATA.replace("\t", ",")
INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + U_DATA.replace(
    "881250949", "8.81250949E8"
)
REVIEWS_2018 = """\
{"overall": 3.0, "reviewerID": "196", "asin": "242", "reviewText": "so, so", "unixReviewTime": 881250949}
{"overall": 4.0, "reviewerID": "186", "asin": "302", "unixReviewTime": 881250954}
{"overall": 2.0, "reviewerID": "196", "asin": "51", "unixReviewTime": 881250958}
"""
REVIEWS_2023 = """\
{"rating": 3.0, "title": "t", "asin": "B1", "parent_asin": "242", "user_id": "196", "timestamp": 881250949000}
{"rating": 4.0, "asin": "302", "user_id": "186", "timestamp": 881250954000}
{"rating": 2.0, "asin": "B2", "parent_asin": "51", "user_id": "196", "timestamp": 881250958000}
"""

FILES = {
    "movielens 100k": ("ml-100k/u.data", U_DATA),
    "movielens 1m and 10m": ("ml-1m/ratings.dat", RATINGS_DAT),
    "movielens latest": ("ml-latest-small/ratings.csv", RATINGS_CSV),
    "movielens, as our copy has it": ("ratings.csv", RATINGS_CSV.lower()),
    "movielens, lines of Windows": ("ml-1m/ratings.dat", RATINGS_DAT.replace("\n", "\r\n")),
    "recbole": ("ml-100k.inter", INTER),
    "amazon 2018": ("Gift_Cards_5.json", REVIEWS_2018),
    "amazon 2023": ("Gift_Cards.jsonl", REVIEWS_2023),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("packed", ["folder", "zip", "gzip"])
def test_the_format_is_found_from_the_content(tmp_path: Path, kind: str, packed: str) -> None:
    name, content = FILES[kind]
    place = tmp_path / "data"
    if packed == "zip":
        place = tmp_path / "data.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("README.txt", "terms")
            archive.writestr(name, content)
    else:
        (place / name).parent.mkdir(parents=True)
        if packed == "gzip":
            (place / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
        else:
            (place / name).write_text(content, newline="")
            (place / "README.txt").write_text("terms")
    assert rows_of(read_interactions(place)) == EXPECTED


@pytest.mark.parametrize("kind", FILES)
def test_a_file_may_be_named_itself(tmp_path: Path, kind: str) -> None:
    name, content = FILES[kind]
    path = tmp_path / Path(name).name
    path.write_text(content, newline="")
    assert rows_of(read_interactions(path)) == EXPECTED


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("movielens 100k", "timestamp missing or no time"),
        ("movielens 1m and 10m", "timestamp missing or no time"),
        ("movielens latest", "timestamp missing or no time"),
        ("recbole", "timestamp missing or no time"),
        ("amazon 2018", "user_id missing, empty or over 256 bytes"),
        ("amazon 2023", "user_id missing, empty or over 256 bytes"),
    ],
)
def test_a_file_that_ends_in_the_midst_of_a_line_lacks_that_line_and_says_so(
    tmp_path: Path, kind: str, reason: str
) -> None:
    name, content = FILES[kind]
    path = tmp_path / Path(name).name
    path.write_text(content[:-14])
    log = read_interactions(path)
    assert rows_of(log) == EXPECTED[:2]
    last = len(content.splitlines())
    assert log.rejected_rows == (RejectedRow(file=str(path), line=last, reason=reason),)
    with pytest.raises(UnusableSource, match=f"line {last}: {reason}.*--strict"):
        read_interactions(path, strict=True)


def test_the_first_twenty_bad_rows_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text(U_DATA + "196\t7\tgood\t881250949\n" * 15 + "\t7\t3\t881250949\n" * 15)
    log = read_interactions(path)
    assert sorted(log.rejected.values()) == [15, 15]
    assert [row.line for row in log.rejected_rows] == list(range(4, 24))
    assert log.rejected_rows[0].reason == "unknown type, or a rating that is no number"


def test_a_format_can_be_forced_and_is_refused_where_it_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(U_DATA)
    (tmp_path / "interactions.csv").write_text(f"user_id,item_id,timestamp\nu,a,{AT}\n")
    assert len(read_interactions(tmp_path)) == 3
    assert rows_of(read_interactions(tmp_path, format_name="table")) == [("u", "a", "view", AT)]
    with pytest.raises(UnusableSource, match="no log of the format recbole"):
        read_interactions(tmp_path, format_name="recbole")


def test_what_was_cut_off_or_is_no_archive_is_one_line(tmp_path: Path) -> None:
    cut = tmp_path / "u.data.gz"
    cut.write_bytes(gzip.compress(U_DATA.encode() * 1000)[:-20])
    no_archive = tmp_path / "ml.zip"
    no_archive.write_bytes(b"PK")
    empty = tmp_path / "folder"
    empty.mkdir()
    for path, said in (
        (cut, "not readable"),
        (no_archive, "no readable zip"),
        (empty, "no log of the format"),
    ):
        with pytest.raises(UnusableSource, match=said) as found:
            read_interactions(path)
        assert "\n" not in str(found.value) and str(path) in str(found.value)


def test_a_log_without_times_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.inter"
    path.write_text("user_id:token\titem_id:token\n1\t2\n")
    for read in (read_interactions, published_log):
        with pytest.raises(UnusableSource, match=f"{path}: no column timestamp; found user_id, item_id"):
            read(path)


def test_the_command_line_knows_every_format() -> None:
    assert [one.value for one in LogFormat] == list(FORMATS)


@pytest.mark.parametrize("form", ["mv", "combined"])
def test_the_netflix_prize_is_read_as_it_came(tmp_path: Path, form: str) -> None:
    first, second = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n", "2:\n2059652,2,2005-09-05\n"
    folder = tmp_path / "download"
    (folder / "training_set").mkdir(parents=True)
    files = {"training_set/mv_0000001.txt": first, "training_set/mv_0000002.txt": f"{second}8,4,2005-0"}
    cut = 3
    if form == "combined":
        files = {"combined_data_1.txt": first + second, "combined_data_2.txt": "3:\n4:\n8,4,2005-0"}
    files["movie_titles.txt"] = "1,2003,Dinosaur Planet\n"
    for name, content in files.items():
        (folder / name).write_text(content)
    log = read_interactions(folder)
    day = 86_400_000
    assert rows_of(log) == [
        ("822109", "1", "like", 12_916 * day),
        ("2059652", "2", "dislike", 13_031 * day),
        ("1488844", "1", "view", 13_032 * day),
    ]
    (bad,) = log.rejected_rows
    assert (Path(bad.file), bad.line) == (folder / list(files)[1], cut)
    assert bad.reason == "timestamp missing or no time"


def test_the_order_alone_is_read_and_what_is_no_pair_is_counted(tmp_path: Path) -> None:
    more = "".join(f"3 {item}\n" for item in range(20))
    (tmp_path / "order.txt").write_text(f"user_id item_id\n1 10\n1\t20\n2  10\n2\n1 30 40\n\n2 50\n{more}")
    log = read_interactions(tmp_path / "order.txt")
    pairs = [(row[0], row[1]) for row in rows_of(log)]
    assert pairs[:5] == [("1", "10"), ("1", "20"), ("2", "10"), ("2", "50"), ("3", "0")] and len(pairs) == 24
    assert not log.has_times
    assert [row.line for row in log.rejected_rows] == [5, 6]


def test_words_are_no_log(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Hello world\nMy data\nSome more words here\n")
    with pytest.raises(UnusableSource, match="unknown kind of file"):
        read_interactions(tmp_path / "notes.txt")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\nu,a,1600000000000\n")
    (tmp_path / "README.txt").write_text("My data\nYour data\nOur data\nTheir data\n")
    assert read_interactions(tmp_path).users == ("u",)


def test_of_amazon_the_reviews_are_read_not_the_products(tmp_path: Path) -> None:
    (tmp_path / "meta_Books.json").write_text('{"asin": "a", "title": "T"}\n')
    (tmp_path / "reviews_Books.json").write_text(
        '{"reviewerID": "u", "asin": "a", "overall": 5.0, "unixReviewTime": 1400000000}\n'
    )
    assert rows_of(read_interactions(tmp_path)) == [("u", "a", "like", 1_400_000_000_000)]


def test_several_logs_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a.inter", "b.inter"):
        (tmp_path / name).write_text("user_id:token\titem_id:token\ttimestamp:float\nu\ta\t1400000000\n")
    with pytest.raises(UnusableSource, match=r"several logs in it \(a.inter, b.inter\); name one"):
        read_interactions(tmp_path)

"""The Netflix Prize at any size: from files of ratings to arrays on disk, made once."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.bundle.signature import EVENT_TYPES
from stream_app.cli.published import published_log
from tests.unit.training.netflix_files import (
    Event,
    events_of,
    movies_of,
    some_ratings,
    write_combined,
    write_mv,
)
from training.errors import UnusableSource
from training.interactions import Interactions
from training.sources.files import read_interactions
from training.sources.netflix import netflix_tables
from training.sources.place import Place
from training.sources.runs import Runs

RATINGS = some_ratings(300)


def _events(log: Interactions) -> list[Event]:
    assert log.rating is not None
    return [
        (log.users[user], log.items[item], EVENT_TYPES[code], int(at), float(rating))
        for user, item, code, at, rating in zip(
            log.user, log.item, log.type_code, log.timestamp_ms, log.rating, strict=True
        )
    ]


def _zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
        for file in sorted(folder.rglob("*.txt")):
            into.write(file, Path("download") / file.relative_to(folder))
    return archive


@pytest.mark.parametrize("form", ["mv", "combined"])
@pytest.mark.parametrize("packed", ["folder", "zip", "gzip", "lines of Windows"])
def test_every_form_gives_what_a_plain_reader_gives(tmp_path: Path, form: str, packed: str) -> None:
    write = {"mv": write_mv, "combined": write_combined}[form]
    place = write(tmp_path / "data", RATINGS)
    if packed == "zip":
        place = _zipped(place, tmp_path / "data.zip")
    for file in place.rglob("*.txt"):
        if packed == "gzip":
            file.with_suffix(".txt.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
        elif packed == "lines of Windows":
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    log = read_interactions(place)
    assert _events(log) == events_of(RATINGS)
    assert log.rejected == {}


def test_ids_are_numbered_by_their_first_event_as_in_every_log(tmp_path: Path) -> None:
    log = read_interactions(write_mv(tmp_path / "data", RATINGS))
    for ids, codes in ((log.users, log.user), (log.items, log.item)):
        first = [int(np.flatnonzero(codes == code)[0]) for code in range(len(ids))]
        assert first == sorted(first)


def test_within_a_day_the_order_of_the_files_does_not_show(tmp_path: Path) -> None:
    one_day = [(movie, customer, stars, "2005-09-06") for movie, customer, stars, _ in RATINGS]
    log = read_interactions(write_mv(tmp_path / "data", one_day))
    movies = [int(log.items[item]) for item in log.item]
    rises = sum(later >= earlier for earlier, later in pairwise(movies))
    assert 0.4 < rises / len(movies) < 0.7


def test_a_replay_has_the_same_order(tmp_path: Path) -> None:
    folder = write_mv(tmp_path / "data", RATINGS)
    table = published_log(folder)
    assert table is not None
    assert [(row["user_id"], row["item_id"]) for _, row in table] == [e[:2] for e in events_of(RATINGS)]


def test_columns_are_mapped_from_disk(tmp_path: Path) -> None:
    log = read_interactions(write_mv(tmp_path / "data", RATINGS))
    for column in (log.user, log.item, log.type_code, log.timestamp_ms, log.rating):
        assert isinstance(column, np.memmap)


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 100, 1000])
@pytest.mark.parametrize("form", ["mv", "combined"])
def test_it_does_not_matter_where_the_files_are_cut_into_blocks(
    tmp_path: Path, form: str, block_bytes: int
) -> None:
    write = {"mv": write_mv, "combined": write_combined}[form]
    place = Place(write(tmp_path / "data", RATINGS))
    whole = pl.concat(netflix_tables(place))
    assert pl.concat(netflix_tables(place, block_bytes=block_bytes)).equals(whole)
    assert whole["item_id"].to_list() == [movie for movie, *_ in RATINGS]


def test_a_movie_ends_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "mv_0000001.txt").write_text("1:\n6,3,2005-09-06\n")
    (tmp_path / "mv_0000002.txt").write_text("7,3,2005-09-06\n2:\n8,3,2005-09-06\n")
    log = read_interactions(tmp_path)
    assert {(user, item) for user, item, *_ in _events(log)} == {("6", "1"), ("8", "2")}
    (bad,) = log.rejected_rows
    assert (Path(bad.file).name, bad.line) == ("mv_0000002.txt", 1)
    assert bad.reason == "item_id missing, empty or over 256 bytes"


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_file_that_was_cut_off_says_so_wherever_the_cut_is(tmp_path: Path, cut: int) -> None:
    (tmp_path / "combined_data_1.txt").write_text("1:\n6,3,2005-09-06\n1488,4,2005-09-16\n"[: -1 - cut])
    log = read_interactions(tmp_path)
    assert [event[:2] for event in _events(log)] == [("6", "1")]
    (bad,) = log.rejected_rows
    assert (bad.file, bad.line) == (str(tmp_path / "combined_data_1.txt"), 3)
    with pytest.raises(UnusableSource, match=r"combined_data_1.txt, line 3: .*--strict"):
        read_interactions(tmp_path, strict=True)


def test_the_first_twenty_bad_rows_of_all_files_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    for movie in (1, 2, 3):
        text = f"{movie}:\n6,3,2005-09-06\n" + "7,good,2005-09-06\n" * 8 + f"{'x' * 257},1,2005-09-06\n" * 2
        (tmp_path / f"mv_000000{movie}.txt").write_text(text)
    for _ in range(2):  # made, and found
        log = read_interactions(tmp_path)
        assert len(log) == 3
        assert log.rejected == {
            "user_id missing, empty or over 256 bytes": 6,
            "unknown type, or a rating that is no number": 24,
        }
        listed = [(Path(row.file).name, row.line) for row in log.rejected_rows]
        assert listed == [(f"mv_000000{movie}.txt", line) for movie in (1, 2) for line in range(3, 13)]


def test_no_good_row_at_all_is_one_line_and_is_not_kept(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "mv_0000001.txt").write_text("1:\n6,3\n")
    with pytest.raises(UnusableSource, match=r"no usable rows \(1 × timestamp missing"):
        read_interactions(tmp_path)
    assert list((own_cache / "logs").iterdir()) == []


def test_both_forms_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_mv(tmp_path / "data", RATINGS)
    (tmp_path / "data" / "combined_data_1.txt").write_text("1:\n6,3,2005-09-06\n")
    with pytest.raises(UnusableSource, match="the ratings are there twice"):
        read_interactions(tmp_path / "data")


def test_what_was_made_is_found_again_by_content_wherever_it_lies(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    first = write_mv(tmp_path / "first", RATINGS)
    read_interactions(first, stored=stored)
    (made,) = stored.iterdir()
    # Whatever is there is taken: a mark shows that it was.
    (made / "log.json").write_text((made / "log.json").read_text().replace('"6"', '"marked"'))
    for place in (first, write_mv(tmp_path / "second", RATINGS)):
        assert "marked" in read_interactions(place, stored=stored).users
    assert list(stored.iterdir()) == [made]


def test_one_byte_makes_it_another_log_and_so_does_the_rule(tmp_path: Path) -> None:
    folder, stored = write_mv(tmp_path / "data", RATINGS), tmp_path / "stored"
    read_interactions(folder, stored=stored)
    file = next(iter(sorted(folder.rglob("mv_*.txt"))))
    movie, customer, _, day = RATINGS[0]
    changed = [(movie, customer, RATINGS[0][2] % 5 + 1, day), *RATINGS[1:]]
    file.write_text(movies_of(changed)[movie])
    assert _events(read_interactions(folder, stored=stored)) == events_of(changed)
    types = {event[2:5:2] for event in _events(read_interactions(folder, stored=stored, like_from=5.0))}
    assert types == {("like", 5.0), ("view", 4.0), ("view", 3.0), ("dislike", 2.0), ("dislike", 1.0)}
    assert len(list(stored.iterdir())) == 3


def test_a_run_that_is_killed_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    folder, stored = write_mv(tmp_path / "data", RATINGS), tmp_path / "stored"
    # The process stops for good in the midst of its writing.
    program = (
        "import sys, time; from pathlib import Path\n"
        "from training.sources import files, netflix_log\n"
        "def stuck(*arguments, **named): print('writing', flush=True); time.sleep(600)\n"
        "netflix_log.write_interactions = stuck\n"
        "files.read_interactions(Path(sys.argv[1]), stored=Path(sys.argv[2]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(stored)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    (half,) = stored.iterdir()
    assert _events(read_interactions(folder, stored=stored)) == events_of(RATINGS)
    assert len(list(stored.iterdir())) == 2
    # A day later the next run that makes something sweeps it away.
    long_ago = time.time() - 90_000
    os.utime(half, (long_ago, long_ago))
    read_interactions(folder, stored=stored, like_from=5.0)
    assert not half.exists()


def test_what_lost_a_file_is_made_anew(tmp_path: Path) -> None:
    folder, stored = write_mv(tmp_path / "data", RATINGS), tmp_path / "stored"
    read_interactions(folder, stored=stored)
    (made,) = stored.iterdir()
    (made / "item.npy").unlink()
    assert _events(read_interactions(folder, stored=stored)) == events_of(RATINGS)


def test_where_nothing_can_be_kept_the_remedy_is_told(tmp_path: Path) -> None:
    folder = write_mv(tmp_path / "data", RATINGS)
    (tmp_path / "stored").write_text("a file")
    with pytest.raises(UnusableSource, match=r"cannot be kept there .* MILLSTREAM_CACHE"):
        read_interactions(folder, stored=tmp_path / "stored")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stderr", "shown"), [(_Terminal(), True), (io.StringIO(), False)])
def test_a_bar_shows_how_far_it_is_where_somebody_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    read_interactions(write_mv(tmp_path / "data", RATINGS))
    for what in ("looking for changes", "reading ratings", "putting them in order"):
        assert (what in stderr.getvalue()) == shown
    assert ("100%" in stderr.getvalue()) == shown


@pytest.mark.parametrize("rows", [1, 3, 10, 1000])
def test_spans_of_time_hold_every_row_once_and_never_part_a_day(tmp_path: Path, rows: int) -> None:
    random = np.random.default_rng(rows)
    runs, expected = Runs(tmp_path), []
    for _ in range(4):
        times = np.sort(random.integers(0, 9, 12)).astype(np.int64)
        users = pl.Series([f"u{n}" for n in random.integers(0, 5, 12)])
        rest = {"type_code": np.ones(12, dtype=np.uint8), "rating": random.random(12).astype(np.float32)}
        runs.add(users, users, times, rest)
        expected += list(zip(times.tolist(), users, rest["rating"].tolist(), strict=True))
    spans = list(runs.spans(rows=rows))
    found = [
        (at, runs.users.names[user], rating)
        for time_ms, columns in spans
        for at, user, rating in zip(
            time_ms.tolist(), columns["user"], columns["rating"].tolist(), strict=True
        )
    ]
    assert sorted(found) == sorted(expected)
    for (earlier, _), (later, _) in pairwise(spans):
        assert earlier.max() < later.min()
    assert len(runs) == 48

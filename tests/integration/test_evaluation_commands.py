"""`millstream evaluate`, as a person runs it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

from models.encoder_config import Attention
from stream_app.brokers import Broker
from stream_app.cli import main
from training.sources.movielens import find_movielens
from training.sources.place import Place

START_MS = 1_600_000_000_000
USERS, TURNS, ITEMS = 40, 12, 30
Run = Callable[..., tuple[int, str, str]]
RIVALS = "popularity,popularity-7d,popularity-decayed-30d,random,item-knn,user-knn,session-knn,als,content"


def _rows(users: int = USERS, turns: int = TURNS, items: int = ITEMS) -> list[dict[str, Any]]:
    """Every user walks along one circle of items."""
    return [
        {
            "user_id": f"u{user}",
            "item_id": f"i{(7 * user + turn) % items}",
            "rating": 1.0 + (user + turn) % 5,
            "timestamp": START_MS + (turn * users + user) * 60_000,
        }
        for turn in range(turns)
        for user in range(users)
    ]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with a log and its items in it: exit code, stdout, stderr."""
    pl.DataFrame(_rows()).write_parquet(tmp_path / "log.parquet")
    items = [
        {"item_id": f"i{n}", "title": f"Film {n}", "categories": f"c{n % 3}|c{n % 5}"} for n in range(ITEMS)
    ]
    pl.DataFrame(items).write_csv(tmp_path / "items.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLSTREAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["millstream", "evaluate", "log.parquet"])

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(("evaluate", *arguments))
        out, said = capsys.readouterr()
        return int(left.value.code or 0), out, said

    return run


def _report(run: Run, *arguments: str) -> dict[str, Any]:
    code, out, said = run(*arguments, "--json")
    assert code == 0, said
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    return report


@pytest.mark.parametrize("protocol", ["prequential", "leave-one-out", "temporal", "k-fold"])
def test_every_rival_stands_beside_the_others_under_each_protocol(run: Run, protocol: str) -> None:
    models = ("--models", RIVALS, "--items", "items.csv", "--k-core", "1")
    report = _report(run, "log.parquet", "--protocol", protocol, *models)
    rows = {row["model"]: row for row in report["results"]}
    assert list(rows) == RIVALS.split(",")
    assert all(row["not_applicable"] is None for row in rows.values())
    # What follows what is all that there is to learn, and popularity cannot see it.
    best = max(rows.values(), key=lambda row: row["metrics"]["ndcg@10"]["value"])
    assert not best["model"].startswith("popularity") and best["model"] not in ("random", "content")
    assert all(row["beyond_accuracy"]["diversity@10"] is not None for row in rows.values())
    assert report["protocol"] == protocol and report["definition"]
    assert report["data"]["interactions"] == USERS * TURNS


def test_the_table_and_the_page_say_what_was_run(run: Run, tmp_path: Path) -> None:
    code, out, said = run(
        "log.parquet", "--models", "popularity,random", "--report", "report.html", "--k", "5,10"
    )
    assert code == 0 and "wrote report.html" in said
    for word in ("prequential", "popularity", "random", "HR@5", "NDCG@10", "★"):
        assert word in out
    page = (tmp_path / "report.html").read_text()
    parser = HTMLParser()
    parser.feed(page)
    assert "millstream evaluate log.parquet" in page and "Test, then learn" in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_the_learnt_rivals_run_too(run: Run) -> None:
    models = "attention,neumf,attention-cf,biased-mf"
    rows = _report(run, "log.parquet", "--models", models, "--protocol", "leave-one-out", "--epochs", "2")[
        "results"
    ]
    found = {row["model"]: row["predictions"] for row in rows}
    assert set(found["neumf"]) == set(found["attention-cf"]) == {"auc", "log_loss"}
    assert set(found["biased-mf"]) == {"rmse"} and found["attention"] == {}
    assert all(row["events"] == USERS for row in rows)


def test_the_attention_family_is_compared_in_table_plot_and_maps(run: Run, tmp_path: Path) -> None:
    options = ("--protocol", "leave-one-out", "--items", "items.csv", "--epochs", "1", "--set", "width=8")
    report = _report(run, "log.parquet", "--compare", "attention", *options, "--report", "family.html")
    family = [f"attention-{mechanism}" for mechanism in get_args(Attention)]
    assert [row["model"] for row in report["results"]] == [*family, "item-knn", "popularity"]
    assert all(row["events"] == USERS for row in report["results"])
    assert len(report["attention"]) == 2
    for one in report["attention"]:
        assert one["titles"] == [f"Film {item[1:]}" for item in one["items"]]
        assert list(one["maps"]) == family
        for name, shares in one["maps"].items():
            assert not np.triu(shares, 1).any()
            if name != "attention-pointwise":
                assert np.sum(shares, axis=1) == pytest.approx(1, abs=1e-3)
    page = (tmp_path / "family.html").read_text()
    assert "Where they look" in page
    assert page.count("<svg") >= 2 * len(family) and "looks most at Film" in page


def test_a_file_that_gives_only_the_order_is_read(run: Run, tmp_path: Path) -> None:
    lines = [f"{user} {1 + (7 * user + turn) % ITEMS}" for user in range(1, 21) for turn in range(TURNS)]
    (tmp_path / "order.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    order = ("order.txt.gz", "--protocol", "leave-one-out")
    rows = _report(run, *order, "--models", "item-knn,popularity-7d")["results"]
    assert (rows[0]["events"], rows[1]["not_applicable"]) == (20, "the log has no times")


def test_ratings_become_types_by_the_rule_that_is_given(run: Run) -> None:
    few = _report(run, "log.parquet", "--models", "popularity")["results"][0]
    all_liked = _report(run, "log.parquet", "--models", "popularity", "--dislike-below", "0")["results"][0]
    assert few["skipped"]["not positive"] > 0 and "not positive" not in all_liked["skipped"]


def test_filters_are_off_by_default_and_told_when_on(run: Run) -> None:
    rows = [*_rows(), {"user_id": "once", "item_id": "i1", "rating": 4.0, "timestamp": START_MS + 1}]
    pl.DataFrame(rows).write_parquet("more.parquet")
    code, _, said = run("more.parquet", "--models", "popularity")
    assert code == 0 and "interactions left" not in said
    code, _, said = run("more.parquet", "--models", "popularity", "--min-history", "2", "--k-core", "3")
    assert code == 0 and f"2 events a user: {USERS} users" in said and "3-core:" in said


def test_sampled_ranks_are_marked(run: Run) -> None:
    row = _report(run, "log.parquet", "--models", "item-knn", "--protocol", "leave-one-out", "--sampled", "5")
    assert row["results"][0]["sampled_items"] == 5
    assert row["results"][0]["metrics"]["hr@10"]["value"] == 1.0  # one of six is always among ten
    _, out, _ = run("log.parquet", "--models", "item-knn", "--protocol", "leave-one-out", "--sampled", "5")
    assert "5 drawn items" in out


def test_items_of_a_published_data_set_are_found(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "ml-latest"
    folder.mkdir()
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n"
        + "".join(
            f"{u},{(u + t) % 9},4.0,{1_600_000_000 + 60 * (9 * t + u)}\n" for t in range(6) for u in range(9)
        )
    )
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f"{n},Film {n},A{n % 2}|B\n" for n in range(9))
    )
    assert find_movielens(Place(folder)) is not None
    row = _report(run, "ml-latest", "--models", "content", "--protocol", "leave-one-out")["results"][0]
    assert row["not_applicable"] is None and row["beyond_accuracy"]["diversity@10"] is not None


def test_the_topics_are_evaluated_with_the_items_that_they_hold(
    embedded_broker: Broker,
    app_id: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS", embedded_broker.bootstrap_servers)
    monkeypatch.setenv("MILLSTREAM_APP_ID", app_id)
    monkeypatch.setenv("MILLSTREAM_TOPIC_PREFIX", f"{app_id}-")
    for command in (("topics", "create"), ("items", "load", "items.csv"), ("replay", "log.parquet")):
        with pytest.raises(SystemExit) as left:
            main(command)
        assert not left.value.code, capsys.readouterr().err
    capsys.readouterr()
    row = _report(run, "kafka", "--models", "content")["results"][0]
    assert row["events"] > 50 and row["beyond_accuracy"]["diversity@10"] is not None


def test_what_left_the_window_is_left_out_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_HISTORY_LIMIT", "3")
    rows = [{**row, "item_id": f"i{int(row['item_id'][1:]) % 6}"} for row in _rows()]
    pl.DataFrame(rows).write_parquet("again.parquet")
    asked = ("again.parquet", "--models", "popularity", "--dislike-below", "0", "--seen")
    window = _report(run, *asked, "window")["results"][0]
    assert window["skipped"] == {} and window["events"] > 0
    code, _, said = run(*asked, "all")
    assert code == 1 and "seen before" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "none/report.html"), "none/report.html cannot be written"),
        (("--dump-split", "none/split"), "is no folder; make it first"),
        (("--dump-split", "full"), "full is there already and not empty"),
        (("--dislike-below", "5"), "--dislike-below 5.0 lies above --like-from 4.0"),
        (("--models", "popularity-0d"), "--models popularity-0d is unknown"),
        (("--k", "²"), "is not a number from 1 to 100"),
        (("--models", ","), "--models names none"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    code, out, err = run("log.parquet", *arguments)
    assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1


def test_who_is_told_when_the_target_came_is_named_so(run: Run) -> None:
    asked = ("log.parquet", "--protocol", "temporal", "--k-core", "1", "--models", "attention,popularity")
    report = _report(run, *asked, "--epochs", "1", "--query-time", "target")
    assert [row["model"] for row in report["results"]] == ["attention-target-time", "popularity"]
    assert "Query time: the target's" in report["definition"]


def test_the_netflix_prize_is_judged_by_its_probe(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "netflix"
    folder.mkdir()
    with (folder / "combined_data_1.txt").open("w") as ratings, (folder / "probe.txt").open("w") as held_out:
        for movie in range(1, 9):
            ratings.write(f"{movie}:\n")
            held_out.write(f"{movie}:\n")
            for customer in range(1, 31):
                # Each customer has a level of one's own, and each movie.
                rating = 1 + (customer % 3 + movie % 3)
                ratings.write(f"{customer},{rating},2005-0{movie}-{1 + customer % 28:02d}\n")
                if (customer + movie) % 5 == 0:
                    held_out.write(f"{customer}\n")
    models = ("--models", "biased-mf,popularity", "--items", "items.csv")
    report = _report(run, "netflix", "--protocol", "probe", *models)
    row = report["results"][0]
    assert (row["model"], row["users"]) == ("biased-mf", 30)
    assert 0 < row["predictions"]["rmse"] < 0.9  # the mean alone: 1.15
    code, _, said = run("log.parquet", "--protocol", "probe")
    assert code == 1 and "no probe.txt in it" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("log.parquet", "--protocol", "guess"), 2, "'guess' is not one of"),
        (("log.parquet", "--models", "best"), 2, "--models best is unknown"),
        (("log.parquet", "--models", "latest"), 2, "--models latest: no models in"),
        (("log.parquet", "--k", "0"), 2, "--k 0 is not a number from 1 to 100"),
        (("log.parquet", "--newest", "1"), 2, "--newest 1.0 is not between 0 and 1"),
        (("log.parquet", "--items", "none.csv"), 1, "none.csv is not there"),
        (("none.parquet",), 1, "none.parquet: there is no such file"),
        (("log.parquet", "--k-core", "99"), 1, "no user and item have 99 events"),
        (("log.parquet", "--query-time", "now"), 2, "'now' is not one of 'event', 'target'"),
    ],
)
def test_wrong_use_is_one_line(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    left, out, err = run(*arguments)
    assert (left, out) == (code, "")
    assert said in err and len(err.splitlines()) == 1

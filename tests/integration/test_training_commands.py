"""`millstream train`, `export`, `retrain`, as a person runs them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import polars as pl
import pytest

from models.bundle.registry import Registry
from models.bundle.verification import bundle_digest
from stream_app.brokers import ApacheKafka
from stream_app.cli import main
from stream_app.domain.messages import ModelAnnouncement
from stream_app.scoring.snapshot import load_snapshot
from stream_app.streaming.known_models import announced_champion
from stream_app.streaming.topic_admin import create_topics
from stream_app.streaming.topics import TopicNames, plan
from tests.command import answer_of, run_command

START_MS = 1_600_000_000_000
USERS, TURNS, ITEMS = 40, 25, 60
QUICK = ("--epochs", "25")
Run = Callable[..., CompletedProcess[str]]
RunHere = Callable[..., tuple[int, Any, str]]


def write_log(path: Path) -> None:
    """Every user walks along one circle of items."""
    pl.DataFrame(
        [
            {
                "user_id": f"u{user}",
                "item_id": f"i{(7 * user + turn) % ITEMS}",
                "rating": 4.0,
                "timestamp": START_MS + (turn * USERS + user) * 60_000,
            }
            for turn in range(TURNS)
            for user in range(USERS)
        ]
    ).write_parquet(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command without a broker, in a folder with a log in it."""
    write_log(tmp_path / "log.parquet")

    def run(*arguments: object) -> CompletedProcess[str]:
        return run_command(*arguments, folder=tmp_path, timeout_s=150)

    return run


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """The same within this process, which has torch already: exit code, answer, stderr."""
    write_log(tmp_path / "log.parquet")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, Any, str]:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, said = capsys.readouterr()
        return int(left.value.code or 0), json.loads(out.splitlines()[-1]) if out else None, said

    return run


def test_train_publishes_what_a_worker_can_serve(run: Run, run_here: RunHere, tmp_path: Path) -> None:
    done = run("train", "log.parquet", "--until", "0.8", *QUICK, "--json")
    answer = answer_of(done)
    assert len(done.stdout.splitlines()) == 1 and "epoch 25 of 25" in done.stderr
    assert (answer["interactions"], answer["users"], answer["items"]) == (800, 40, 60)
    assert answer["metrics"]["loss"] < 3.0  # log 60 = 4.1 is what knows nothing
    registry = Registry(tmp_path / ".millstream" / "registry")
    assert registry.versions() == [answer["version"]]
    snapshot = load_snapshot(registry.fetch(answer["version"]), device="cpu")
    assert snapshot.manifest.training_window.interactions == 800

    code, report, _ = run_here(
        *("evaluate", "log.parquet", "--models", "latest,popularity,random", "--k", "1,10", "--json"),
        *("--dump-split", "split"),
    )
    compared = report["results"]
    by_name = {row["model"]: row["metrics"]["hr@1"]["value"] for row in compared}
    assert code == 0 and list(by_name) == [answer["version"], "popularity", "random"]
    assert by_name[answer["version"]] > 0.8 > by_name["popularity"]
    assert {row["events"] for row in compared} == {200}
    assert pl.read_parquet(tmp_path / "split" / "train.parquet").height == 800
    test = pl.read_parquet(tmp_path / "split" / "test.parquet")
    assert test.columns == [
        "user_id",
        "item_id",
        "type",
        "timestamp",
        "order",
        "rating",
        "judged",
        "given_at",
        "fit",
    ]
    assert test.height == 200
    code, report, said = run_here("evaluate", "log.parquet", "--models", "latest", "--query-time", "target")
    assert (code, report) == (2, None) and f"leave out {answer['version']}" in said.splitlines()[-1]


def test_a_published_data_set_is_read_as_it_comes_and_its_bad_rows_are_told(
    run_here: RunHere, tmp_path: Path
) -> None:
    lines = [f"{row % 5}::{row}::4::{978300000 + row}\n" for row in range(100)]
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "ratings.dat").write_text("".join([*lines, "7::3::4\n"]))
    code, answer, said = run_here("evaluate", "ml", "--models", "popularity", "--json")
    assert (code, answer["results"][0]["users"]) == (0, 5)
    assert "left out 1 × timestamp missing or no time" in said
    assert f"{Path('ml', 'ratings.dat')}, line 101: timestamp missing" in said

    code, _, said = run_here("evaluate", "ml", "--models", "popularity", "--strict", "--format", "movielens")
    assert code == 1
    assert said.splitlines()[-1].startswith(f"millstream: {Path('ml', 'ratings.dat')}, line 101: timestamp")


def test_a_checkpoint_becomes_a_bundle(run_here: RunHere, tmp_path: Path) -> None:
    code, made, _ = run_here("train", "log.parquet", "--epochs", "1", "--checkpoint", "model.pt", "--json")
    assert (code, made["version"]) == (0, None)
    _, exported, _ = run_here("export", "model.pt", "--to", "bundle", "--json")
    snapshot = load_snapshot(tmp_path / "bundle", device="cpu")
    assert (snapshot.version, len(snapshot.vocabulary)) == (exported["version"], 60)
    assert not (tmp_path / ".millstream").exists()


def test_the_page_about_a_version_tells_what_its_items_are_and_where_it_looks(
    run_here: RunHere, tmp_path: Path
) -> None:
    items = [{"item_id": f"i{n}", "title": f"Film {n}", "genres": ["Drama", "War"][n % 2]} for n in range(60)]
    pl.DataFrame(items).write_csv(tmp_path / "items.csv")
    _, trained, _ = run_here("train", "log.parquet", "--items", "items.csv", "--epochs", "1", "--json")
    show = ("models", "show", trained["version"], "--report", "model.html", "--data", "log.parquet")
    code, facts, said = run_here(*show, "--json")
    assert code == 0 and "wrote model.html" in said and facts["version"] == trained["version"]
    assert not {"golden", "tower_golden"} & set(facts)  # test input for machines
    page = (tmp_path / "model.html").read_text()
    for told in ("Film 7", "Where it looks", "looks most at Film", "Mean weight of a field", "categories",
                 "loss by epoch", "Drama"):  # fmt: skip
        assert told in page, told
    assert run_here("models", "show", trained["version"], "--items", "items.csv")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "log.parquet", "--since", "0.5", "--until", "0.5"), "does not lie before"),
        (("train", "log.parquet", "--checkpoint", "m.pt", "--announce"), "a checkpoint cannot be announced"),
        (("retrain", "log.parquet", "--newest", "1"), "--newest 1.0 is not between 0 and 1"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "none.parquet"), "none.parquet: there is no such file"),
        (("export", "none.pt"), "none.pt: there is no such file"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_retrain_closes_the_loop_through_kafka(
    apache_kafka: ApacheKafka, app_id: str, tmp_path: Path, run_here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's tests close it through the embedded broker."""
    names = TopicNames(app_id=app_id, prefix=f"{app_id}-")
    kafka = {"bootstrap_servers": apache_kafka.bootstrap_servers}
    asyncio.run(create_topics(kafka, plan(names, partitions=3)))
    monkeypatch.setenv("MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS", apache_kafka.bootstrap_servers)
    monkeypatch.setenv("MILLSTREAM_APP_ID", app_id)
    monkeypatch.setenv("MILLSTREAM_TOPIC_PREFIX", names.prefix)
    monkeypatch.setenv("MILLSTREAM_PARTITIONS", "3")

    def champion() -> ModelAnnouncement | None:
        return asyncio.run(announced_champion(kafka, names.models, channel="default"))

    assert run_here("replay", "log.parquet", "--json")[0] == 0
    code, answer, _ = run_here("retrain", "--newest", "0.2", *QUICK, "--json")
    assert code == 0 and answer["gate"]["passed"] and answer["announced"]
    assert answer["interactions"] == USERS * TURNS and answer["metrics"]["hr@10"] > 0.8
    assert [row["model"] for row in answer["results"]] == ["candidate", "popularity", "popularity-30d"]

    announced = champion()
    assert announced is not None
    assert (announced.version, announced.uri) == (answer["version"], answer["uri"])
    registry, version = Registry.of(announced.uri)
    assert announced.sha256 == bundle_digest(registry.fetch(version))
    window = registry.manifest(version).training_window
    assert sum(window.offsets.values()) == window.interactions == USERS * TURNS

    # A log that says too little: nothing is published, and the first model goes on serving.
    pl.read_parquet(tmp_path / "log.parquet").head(100).write_parquet(tmp_path / "short.parquet")
    code, answer, said = run_here("retrain", "short.parquet", "--epochs", "1", "--json")
    assert code == 1 and answer["version"] is None and not answer["gate"]["passed"]
    assert "the new model was refused, only" in said and "--force" in said
    assert champion() == announced
    assert registry.versions() == [version]

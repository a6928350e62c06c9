"""What every command has in common: help, one line for what goes wrong, exit codes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_app.brokers.ports import free_port
from stream_app.cli import main
from stream_app.cli.root import COMMANDS
from tests.command import answer_of, run_command

# What every command needs at most; torch, faust and polars would make the list of commands slow.
_HEAVY = ("torch", "faust", "polars", "aiokafka", "onnxruntime", "numpy", "pydantic")


def test_the_list_of_commands_has_each_with_a_line(tmp_path: Path) -> None:
    done = run_command("--help", folder=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout


def test_the_list_of_commands_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom stream_app.cli.root import root_command\n"
        "root_command().main(args=['--help'], standalone_mode=False)\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main((name, "--help"))
    assert not left.value.code
    said = capsys.readouterr().out
    assert f"Usage: millstream {name}" in said
    assert "install-completion" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("topcs",), "millstream: No such command 'topcs'"),
        (("topics", "crate"), "Did you mean 'create'"),
        (("replay",), "Missing argument 'FILE'"),
        (("replay", "x.csv", "--speed", "fast"), "fast is no speed; it is max, or like 100x"),
        (("replay", "x.csv", "--from", "0.9", "--to", "0.1"), "--from 0.9 does not lie before --to 0.1"),
        (("replay", "x.csv", "--limit", "0"), "--limit"),
        (("broker", "--data", "here"), "--data goes with --apache"),
        (("schema", "evnt"), "there is no message evnt; there are event, item"),
        (("--config", "none.toml", "settings"), "the settings file none.toml is not there"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run_command(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("millstream: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_bad_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for command in ("settings", "worker"):
        done = run_command(command, folder=tmp_path, settings={"k": 0})
        assert done.returncode == 2
        assert done.stderr.startswith("millstream: MILLSTREAM_K=0: should be greater than or equal to 1")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("replay", "none.parquet"), ("items", "load", "none.csv"), ("models", "show", "none")]
)
def test_a_failure_is_one_line_and_exit_code_1(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_command(*arguments, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("millstream: ")
    assert done.stderr.count("\n") == 1


def test_without_a_broker_a_command_waits_says_so_and_gives_up(tmp_path: Path) -> None:
    servers, started = f"127.0.0.1:{free_port()}", time.monotonic()
    settings = {"kafka_bootstrap_servers": servers, "kafka_wait_s": 2}
    done = run_command("topics", "create", folder=tmp_path, settings=settings)
    assert done.returncode == 1
    *tries, last = done.stderr.splitlines()
    assert all(line.startswith(f"no Kafka broker at {servers} yet; next try in ") for line in tries)
    assert len(tries) >= 2
    assert last.startswith(f"millstream: no Kafka broker answered at {servers} within 2 s")
    assert time.monotonic() - started < 10


def test_settings_show_values_and_where_they_were_set(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("k = 7\n")
    given = {"partitions": 9, "kafka_sasl_password": "s3cret"}
    done = run_command("--config", "m.toml", "settings", "--json", folder=tmp_path, settings=given)
    rows = answer_of(done)["settings"]
    assert rows["k"] == {"value": 7, "source": "m.toml"}
    assert rows["partitions"] == {"value": 9, "source": "environment"}
    assert rows["app_id"] == {"value": "millstream", "source": "default"}
    assert "s3cret" not in done.stdout + done.stderr


def test_settings_for_people_show_the_variables(tmp_path: Path) -> None:
    done = run_command("settings", folder=tmp_path)
    assert "MILLSTREAM_KAFKA_BOOTSTRAP_SERVERS=localhost:9092  [default]" in done.stdout


def test_the_schema_has_every_message(tmp_path: Path) -> None:
    every = answer_of(run_command("schema", "--json", folder=tmp_path))
    assert {"event", "item", "recommendation", "outcome", "model"} <= set(every)
    event = answer_of(run_command("schema", "event", "--json", folder=tmp_path))
    assert event == every["event"]
    assert event["$defs"]["Event"]["required"] == ["user_id", "type"]


def test_an_empty_registry_is_no_error(tmp_path: Path) -> None:
    assert answer_of(run_command("models", "list", "--json", folder=tmp_path)) == {"models": []}

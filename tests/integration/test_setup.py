"""The set-up of a fresh machine, as far as it can be tried on one that is set up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the set-up needs, without an environment."""
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/setup.sh", "pyproject.toml", "requirements.lock", "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "deploy" / "setup.sh"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
    )


def old_python(folder: Path) -> str:
    """An interpreter that says it is 3.9 and fails every check."""
    script = folder / "python3.9"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    script.chmod(0o755)
    return str(script)


def test_an_old_python_gets_one_readable_line(checkout: Path) -> None:
    done = set_up(checkout, PYTHON=old_python(checkout))
    assert done.returncode == 1
    assert done.stderr.startswith("setup: Python 3.11 or newer is needed, found Python 3.9.2; install one")
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_no_python_gets_one_readable_line(checkout: Path) -> None:
    done = set_up(checkout, PYTHON=str(checkout / "none"))
    assert done.returncode == 1
    assert re.match(r"setup: Python 3.11 or newer is needed, found no .*none; install one", done.stderr)
    assert done.stderr.count("\n") == 1


def test_a_full_disk_gets_one_readable_line(checkout: Path) -> None:
    done = set_up(checkout, PYTHON=sys.executable, SETUP_NEEDS_GB="1000000")
    assert done.returncode == 1
    assert re.fullmatch(
        r"setup: about 1000000 GB of disk are needed, \d+ GB are free in .*; make room or clone elsewhere\n",
        done.stderr,
    )
    assert not (checkout / ".venv").exists()


def test_nothing_is_repeated_while_nothing_changed(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".ready").touch()
    up_to_date = ["make", "--question", ".venv/.ready"]
    assert subprocess.run(up_to_date, cwd=checkout).returncode == 0
    newer = (checkout / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (newer, newer))
    assert subprocess.run(up_to_date, cwd=checkout).returncode == 1


def test_the_lock_file_has_exact_versions_and_no_addresses() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    wanted = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(wanted) > 50
    for line in wanted:
        assert re.match(r"^[A-Za-z0-9._-]+==[^ ]+( ; .*)?$", line), line
    assert not any("://" in line or "--index" in line for line in lines)


def test_the_lock_file_has_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["train"] + extras["demo"] + extras["dev"]
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {re.split(r"[<>=;\[ ]", name)[0] for name in wanted} <= locked


def test_a_platform_gets_one_onnxruntime_and_never_both() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [Requirement(line) for line in lines if line.startswith("onnxruntime")]
    assert {requirement.name for requirement in found} == {"onnxruntime", "onnxruntime-gpu"}
    for system, machine, expected in (
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("win32", "AMD64", "onnxruntime-gpu"),
        ("linux", "aarch64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
        ("darwin", "x86_64", "onnxruntime"),
        ("win32", "ARM64", "onnxruntime"),
    ):
        platform = {"sys_platform": system, "platform_machine": machine}
        chosen = [r.name for r in found if r.marker is not None and r.marker.evaluate(platform)]
        assert chosen == [expected], (system, machine)

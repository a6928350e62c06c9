"""The README's own-Kafka example, run as printed."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_app.brokers import Broker
from stream_app.brokers.ports import free_port
from tests.command import MILLSTREAM, environment, run_command

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)```", README, re.S))
SHELL = re.search(r"## With your own Kafka\n\n```bash\n(.*?)```", README, re.S)
USERS = {"ann", "bob", "cem"}


@pytest.fixture
def settings(broker: Broker) -> dict[str, object]:
    # The README's topics have no prefix: on a shared broker other tests must not use the bare names.
    return {"kafka_bootstrap_servers": broker.bootstrap_servers, "web_port": free_port()}


@pytest.fixture
def worker(settings: dict[str, object], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    assert SHELL is not None
    commands = [line for line in SHELL.group(1).splitlines() if line.startswith("millstream")]
    assert commands == ["millstream topics create", "millstream worker"]
    created = run_command("topics", "create", folder=tmp_path, settings=settings)
    assert created.returncode == 0, created.stderr
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [MILLSTREAM, "worker"], cwd=tmp_path, env=environment(settings), stdout=log, stderr=log
        )
    yield process
    process.terminate()
    process.wait(20)


def test_the_examples_run_as_printed(
    settings: dict[str, object], worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    for name, code in EXAMPLES.items():
        (tmp_path / name).write_text(code)
    env = environment(settings)
    subprocess.run([sys.executable, "produce.py"], cwd=tmp_path, env=env, check=True, timeout=60)
    read = subprocess.Popen(
        [sys.executable, "read.py"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    )
    # Reading a line blocks: only the end of the process ends it.
    deadline = threading.Timer(90, read.kill)
    deadline.start()
    try:
        assert read.stdout is not None
        lines: dict[str, str] = {}
        while set(lines) != USERS and (line := read.stdout.readline()):
            lines[line.split()[0]] = line
    finally:
        deadline.cancel()
        read.kill()
        read.wait()
    assert set(lines) == USERS, (tmp_path / "worker.log").read_text()[-3000:]
    assert all(" fallback [" in line for line in lines.values())
    assert "'pot'" not in lines["bob"] and "'tea'" not in lines["bob"]  # both seen

"""The real command, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MILLSTREAM = str(Path(sys.executable).parent / "millstream")


def run_command(
    *arguments: object, folder: Path, settings: Mapping[str, object] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `millstream` in a folder with settings by their names in stream_app.settings."""
    return subprocess.run(
        [MILLSTREAM, *map(str, arguments)],
        cwd=folder,
        env=environment(settings or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with the settings in it."""
    return {**os.environ, **{f"MILLSTREAM_{name.upper()}": str(value) for name, value in settings.items()}}


def answer_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What a command with `--json` answered: the last line of stdout. Fails when the command did."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])

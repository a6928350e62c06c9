"""The environment of the rival Quix Streams: made once, in the cache folder, since its pins are not ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from stream_app.bench.processes import BenchError
from stream_app.brokers.apache_jars import cache_folder

QUIX_STREAMS = "quixstreams==3.28.1"
PROJECT = Path(__file__).parents[2]
# What the domain is made of, as the worker has it, so that the same code runs on the same wheels.
_SHARED = ("msgspec", "numpy", "xxhash", "rocksdict")
_READY = ".ready"


def requirements() -> list[str]:
    """What is installed; Quix Streams chooses its own pydantic-settings, by which ours are read there."""
    return [QUIX_STREAMS, "pydantic-settings", *(f"{name}=={version(name)}" for name in _SHARED)]


def quix_python() -> Path:
    """The Python of the environment, made where it is missing. Raises BenchError."""
    folder, needed = _folder(), requirements()
    python = folder / "bin" / "python"
    if is_ready():
        return python
    uv = _uv()
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *needed],
    ):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            words = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise BenchError(f"Quix Streams could not be installed: {words}; leave it out with --no-quix")
    (folder / _READY).touch()
    return python


def is_ready() -> bool:
    """Whether the environment is there, whole."""
    return (_folder() / _READY).exists()


def _folder() -> Path:
    digest = hashlib.sha256("\n".join([sys.version, *requirements()]).encode()).hexdigest()[:12]
    return cache_folder() / f"quix-{digest}"


def _uv() -> str:
    """The uv that made our own environment."""
    found = shutil.which("uv") or shutil.which(str(Path(sys.prefix) / "share" / "uv" / "bin" / "uv"))
    if found is None:
        raise BenchError("Quix Streams is installed by uv, and there is none; install it, or use --no-quix")
    return found


def quix_command() -> tuple[str, ...]:
    """The command that runs the rival. Raises BenchError."""
    return str(quix_python()), "-m", "stream_app.bench.quix_app"


def quix_variables() -> dict[str, str]:
    """The variables that it needs beside the worker's settings."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(PROJECT), *([before] if before else [])])}

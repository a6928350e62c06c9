"""Folders that are costly to make: made once, and never seen half made."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_IN_THE_MAKING = ".tmp"
_GIVEN_UP_AFTER_S = 86_400.0


def make_once(root: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `root/name`. Where it is not there yet, `make` fills one under another name, which is then
    renamed: what is killed meanwhile leaves no folder that looks finished.

    Whoever comes second with the same name takes the first one's. Raises OSError, and what `make` raises.
    """
    folder = root / name
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    made = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=_IN_THE_MAKING, dir=root))
    try:
        make(made)
        _flush(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _flush(folder: Path) -> None:
    """To the disk itself: after a power cut a new name must not stand for files that were never written."""
    for path in folder.iterdir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())


def _sweep(root: Path) -> None:
    """Remove what was given up in the making. Nobody works for a day on one folder."""
    for path in root.glob(f"*{_IN_THE_MAKING}"):
        try:
            given_up = time.time() - path.stat().st_mtime > _GIVEN_UP_AFTER_S
        except OSError:
            continue  # its maker was quicker
        if given_up:
            shutil.rmtree(path, ignore_errors=True)


def user_cache() -> Path:
    """`$MILLSTREAM_CACHE`, `$XDG_CACHE_HOME/millstream`, or `~/.cache/millstream`, as the broker's jars."""
    if named := os.environ.get("MILLSTREAM_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "millstream"

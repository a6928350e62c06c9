"""How old the state in a database's folder is: by a mark in it, and not by what touches its files.

Opening a database writes to its folder, and RocksDB's log does so every few minutes, whatever state the
database is in. The mark says until when the changelog is in what was written out to the disk; a worker that
is killed leaves the mark of its last flush.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_MARK = "millstream-current-until"


def age_s(folder: Path, *, now: float | None = None) -> float:
    """For how many seconds the folder's state has missed what came to the changelog; 0 without a folder.

    Infinite where a folder has no mark that can be read.
    """
    if not folder.exists():
        return 0.0
    try:
        until = float((folder / _MARK).read_text())
    except (FileNotFoundError, ValueError):
        return float("inf")
    return (time.time() if now is None else now) - until


def mark(folder: Path, until: float) -> None:
    """The disk has all that the changelog had at `until`, in seconds since 1970; never goes backwards."""
    if until <= time.time() - age_s(folder):
        return
    partial = folder / f"{_MARK}.partial"
    with partial.open("w") as file:
        file.write(repr(until))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / _MARK)

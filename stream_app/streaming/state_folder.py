"""Whose state a folder holds: one worker's at a time, of one app, partition count and format.

What is in it can always be made again from the changelogs, so that the remedy is never worse than a recovery.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

IDENTITY_FILE, LOCK_FILE, TABLES = "state.json", "lock", "v1"


class StateFolderProblem(Exception):
    """The folder cannot be this worker's; the message says why and what to do."""


class Identity(Struct, frozen=True, kw_only=True):
    """What the state in a folder was made by. `formats` are those of the tables' records."""

    app_id: str
    source_topic: str
    partitions: int
    delivery: str
    formats: dict[str, int]


def claim(folder: Path, identity: Identity) -> IO[bytes]:
    """Take the folder for this process; keep what is returned, since the lock goes with it.

    State that an at-least-once worker left may be ahead of its changelog: for an exactly-once worker it is
    deleted, and recovered.

    Raises StateFolderProblem, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        found = _read(folder)
        if found is None:
            if (folder / TABLES).exists():
                raise StateFolderProblem(
                    f"{folder} holds state and no {IDENTITY_FILE} that says whose; {_remedy(folder)}"
                )
        elif problem := difference(found, identity):
            raise StateFolderProblem(f"{folder} {problem}; {_remedy(folder)}")
        elif problem := newer_format(found, identity):
            # The changelog has it, too: another folder would not help.
            raise StateFolderProblem(f"{folder} {problem}; upgrade the worker")
        elif identity.delivery == "exactly-once" and found.delivery != identity.delivery:
            log.info("%s: state of %s delivery is deleted and recovered", folder, found.delivery)
            shutil.rmtree(folder / TABLES, ignore_errors=True)
        if found != identity:
            _write(folder, identity)
    except BaseException:
        lock.close()
        raise
    return lock


def difference(found: Identity, wanted: Identity) -> str | None:
    """Why state of one identity is of no use for another; None where it is."""
    for what, theirs, ours in (
        ("app", found.app_id, wanted.app_id),
        ("topic", found.source_topic, wanted.source_topic),
    ):
        if theirs != ours:
            return f"holds the state of {what} {theirs}, and this worker is for {ours}"
    if found.partitions != wanted.partitions:
        return f"holds the state of {found.partitions} partitions, and there are {wanted.partitions}"
    return None


def newer_format(found: Identity, wanted: Identity) -> str | None:
    """Which table is in a format that this version does not read; None where it reads all."""
    for table, known in wanted.formats.items():
        if (theirs := found.formats.get(table, known)) > known:
            return f"was written in {table} format {theirs}, and this version reads up to {known}"
    return None


def _remedy(folder: Path) -> str:
    return (
        f"set MILLSTREAM_STATE_DIR to another folder, or delete {folder}: it is recovered from the changelog"
    )


def _lock(folder: Path) -> IO[bytes]:
    lock = (folder / LOCK_FILE).open("a+b")
    if sys.platform == "win32":
        return lock  # RocksDB's own lock has to do
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        owner = lock.read(20).decode("ascii", "replace").strip()
        lock.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise StateFolderProblem(
            f"{folder} is in use by another worker (process {owner or 'unknown'}); "
            "every worker needs a folder of its own: set MILLSTREAM_STATE_DIR"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


def _read(folder: Path) -> Identity | None:
    try:
        return msgspec.json.decode((folder / IDENTITY_FILE).read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateFolderProblem(
            f"{folder / IDENTITY_FILE} cannot be read ({error}); {_remedy(folder)}"
        ) from None


def _write(folder: Path, identity: Identity) -> None:
    partial = folder / f"{IDENTITY_FILE}.partial"
    partial.write_bytes(msgspec.json.encode(identity))
    partial.replace(folder / IDENTITY_FILE)

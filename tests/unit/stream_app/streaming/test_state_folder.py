"""Whose state a folder holds, and what is said where it is another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_app.streaming.state_folder import IDENTITY_FILE, TABLES, Identity, StateFolderProblem, claim

OURS = Identity(
    app_id="shop",
    source_topic="events",
    partitions=4,
    delivery="at-least-once",
    formats={"history": 1, "lists": 1},
)


def changed(**fields: Any) -> Identity:
    return msgspec.structs.replace(OURS, **fields)


def state_of(folder: Path, identity: Identity = OURS) -> Path:
    """A folder that a worker has used and left."""
    claim(folder, identity).close()
    (folder / TABLES / "tables").mkdir(parents=True)
    return folder


def test_a_new_folder_is_made_and_found_again(tmp_path: Path) -> None:
    folder = state_of(tmp_path / "a" / "b")
    claim(folder, OURS).close()
    assert (folder / TABLES / "tables").exists()


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (changed(app_id="other"), "the state of app other, and this worker is for shop"),
        (changed(source_topic="test-events"), "the state of topic test-events"),
        (changed(partitions=8), "the state of 8 partitions, and there are 4"),
    ],
)
def test_state_of_another_identity_is_refused_with_the_remedy_and_kept(
    tmp_path: Path, theirs: Identity, words: str
) -> None:
    folder = state_of(tmp_path, theirs)
    before = (folder / IDENTITY_FILE).read_bytes()
    with pytest.raises(StateFolderProblem, match=words) as refused:
        claim(folder, OURS)
    assert f"delete {folder}" in str(refused.value) and "\n" not in str(refused.value)
    assert (folder / IDENTITY_FILE).read_bytes() == before
    claim(folder, theirs).close()  # and the refusal has not kept the lock


def test_state_of_a_newer_format_is_refused_and_another_folder_is_no_remedy(tmp_path: Path) -> None:
    folder = state_of(tmp_path, changed(formats={"history": 2, "lists": 1}))
    with pytest.raises(StateFolderProblem) as refused:
        claim(folder, OURS)
    words = "was written in history format 2, and this version reads up to 1; upgrade the worker"
    assert str(refused.value) == f"{folder} {words}"


def test_state_of_an_older_format_is_taken(tmp_path: Path) -> None:
    claim(state_of(tmp_path), changed(formats={"history": 2, "lists": 1})).close()


def test_what_an_at_least_once_worker_left_is_deleted_for_an_exactly_once_one(tmp_path: Path) -> None:
    folder = state_of(tmp_path)
    claim(folder, changed(delivery="exactly-once")).close()
    assert not (folder / TABLES).exists()


def test_what_an_exactly_once_worker_left_serves_either(tmp_path: Path) -> None:
    folder = state_of(tmp_path, changed(delivery="exactly-once"))
    claim(folder, changed(delivery="exactly-once")).close()
    claim(folder, OURS).close()
    assert (folder / TABLES).exists()


def test_state_without_an_identity_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / TABLES).mkdir()
    with pytest.raises(StateFolderProblem, match=r"no state\.json that says whose"):
        claim(tmp_path, OURS)


@pytest.mark.parametrize("content", [b"", b"{", b'{"app_id": 3}', b"\xff"])
def test_an_identity_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / IDENTITY_FILE).write_bytes(content)
    with pytest.raises(StateFolderProblem, match=r"cannot be read.*MILLSTREAM_STATE_DIR"):
        claim(tmp_path, OURS)


def test_a_folder_in_use_is_refused_and_free_when_its_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import msgspec, pathlib, sys, time\n"
        "from stream_app.streaming.state_folder import Identity, claim\n"
        "lock = claim(pathlib.Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Identity))\n"
        "print('taken', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), msgspec.json.encode(OURS).decode()],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "taken\n"
        with pytest.raises(StateFolderProblem, match=f"in use by another worker .process {other.pid}"):
            claim(tmp_path, OURS)
    finally:
        other.kill()
        other.communicate()
    claim(tmp_path, OURS).close()

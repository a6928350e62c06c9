"""What `millstream history --all` tells of the changelog, against what the source topic says."""

from __future__ import annotations

import asyncio
import json
import sys

from models.bundle.signature import EVENT_TYPES
from tests.command import environment
from tests.reference import ExpectedHistory, PartitionAndUser
from tests.worker_process import WorkerProcess


async def check_told_histories(
    worker: WorkerProcess, expected: dict[PartitionAndUser, ExpectedHistory]
) -> None:
    """The command, which knows nothing but the changelog, tells every user's history, entry by entry."""
    command = [sys.executable, "-m", "stream_app", "history", "--all", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(worker.settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    found = {}
    for line in told.splitlines():
        one = json.loads(line)
        entries = [(int(e["item_hash"], 16), e["timestamp"], e["type"]) for e in one["entries"]]
        assert one["format"] == 1 and all(entry[2] in EVENT_TYPES for entry in entries)
        place = one["partition"], one["user_id"].encode()
        assert place not in found, f"{place} is told twice"
        found[place] = one["offset"], entries
    should = {place: (user.offset, user.entries) for place, user in expected.items()}
    wrong = [place for place in should.keys() | found.keys() if found.get(place) != should.get(place)]
    assert not wrong, f"{len(wrong)} of {len(should)} histories are told otherwise: {sorted(wrong)[:5]}"

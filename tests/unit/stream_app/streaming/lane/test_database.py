"""The databases of a process share their memory, and keep to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stream_app.streaming.lane import database


def test_all_databases_together_keep_to_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 16 << 20
    monkeypatch.setattr(database, "MEMORY_BYTES", limit)
    database._memory.cache_clear()
    memory, chance = database._memory(), random.Random(1)
    databases = [database.open_database(tmp_path / str(number)) for number in range(4)]
    most = 0
    try:
        for key in range(1200):
            for one in databases:
                one[key.to_bytes(4)] = chance.randbytes(20_000)
            most = max(most, memory.cache.get_usage())
        for key in range(1200):
            for one in databases:
                assert len(one[key.to_bytes(4)]) == 20_000  # 96 MB of values, read through the cache
            most = max(most, memory.cache.get_usage())
    finally:
        for one in databases:
            one.close()
        database._memory.cache_clear()
    # It is a soft limit: what is being written out is over it for a moment.
    assert limit / 2 < most < 3 * limit

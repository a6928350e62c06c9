"""RocksDB as the bare loop uses it: opened and written like the worker's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rocksdict import Rdict, WriteBatch

from stream_app.streaming.lane.database import open_database


def open_store(folder: Path) -> Rdict:
    """The database of a partition."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_database(folder)


def get_many(store: Rdict, keys: list[Any]) -> list[bytes | None]:
    """The values of the keys, in order; None where there is none."""
    values: Any = store.get(keys)
    return list(values)


def put_many(store: Rdict, values: Mapping[bytes, bytes | None]) -> None:
    """Write the values as one batch; None deletes."""
    batch = WriteBatch(raw_mode=True)
    for key, value in values.items():
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    store.write(batch)

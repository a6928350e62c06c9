"""RocksDB as the bare loop uses it: opened and written like the worker's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch, WriteOptions


def open_store(folder: Path) -> Rdict:
    """The database of a partition; its own log is off, since the changelog is the log."""
    folder.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(32 << 20)
    options.set_max_write_buffer_number(3)
    options.set_compression_per_level([DBCompressionType.none()] * 2 + [DBCompressionType.lz4()] * 5)
    blocks = BlockBasedOptions()
    blocks.set_bloom_filter(3, block_based=True)
    blocks.set_block_cache(Cache(64 << 20))
    options.set_block_based_table_factory(blocks)
    store = Rdict(str(folder), options=options)
    without_log = WriteOptions()
    without_log.disable_wal = True  # type: ignore[method-assign, assignment]
    store.set_write_options(without_log)
    return store


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

"""A partition's RocksDB, opened with what was measured to matter; all of a process share their memory.

RocksDB's own log is off: the changelog is the log.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBufferManager,
    WriteOptions,
)

MEMORY_BYTES = 256 << 20
"""Of all databases of the process together, however many partitions it owns: blocks that were read, indexes,
filters, and what is not written out yet. Faust's default is 2 GB for each."""

_WRITE_BUFFER_BYTES = 32 << 20
_FILTER_BITS = 10
# What is young is rewritten soon: compressing it took a fifth of a recovery.
_COMPRESSION = [DBCompressionType.none()] * 2 + [DBCompressionType.lz4()] * 5


class _Memory(NamedTuple):
    cache: Cache
    unwritten: WriteBufferManager


@lru_cache(maxsize=1)
def _memory() -> _Memory:
    cache = Cache(MEMORY_BYTES)
    # What is unwritten takes its room from the cache, so that there is one limit for both.
    unwritten = WriteBufferManager.new_write_buffer_manager_with_cache(MEMORY_BYTES // 2, False, cache)
    return _Memory(cache, unwritten)


def open_database(folder: Path) -> Rdict:
    """Open a database of raw keys and values, or make it. Raises Exception with RocksDB's reason."""
    memory = _memory()
    blocks = BlockBasedOptions()
    blocks.set_block_cache(memory.cache)
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    blocks.set_bloom_filter(_FILTER_BITS, block_based=False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_write_buffer_manager(memory.unwritten)
    options.set_compression_per_level(_COMPRESSION)
    options.set_block_based_table_factory(blocks)
    database = Rdict(str(folder), options=options)
    without_log = WriteOptions()
    without_log.disable_wal = True  # type: ignore[method-assign, assignment]
    database.set_write_options(without_log)
    return database

"""The RocksDB store of a table, read and written in batches, one database per partition.

The changelog is the log, and RocksDB has none (see `database`). A crash therefore loses what was in memory,
and a database on disk always holds a prefix of its writes; the changelog offset is written after the state
that it covers, so that it never claims too much.
"""

from __future__ import annotations

import gc
import logging
import math
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from faust.stores import rocksdb
from faust.types import TP
from rocksdict import WriteBatch

from stream_app.streaming.lane import freshness
from stream_app.streaming.lane.database import open_database
from stream_app.streaming.topics import TOMBSTONE_LIFE_MS

Position = tuple[int, int]

log = logging.getLogger(__name__)

POSITIONS: dict[str, Callable[[bytes], Position]] = {}
"""How to read the source position (epoch, offset) from a value, by the table's name."""


STALE_AFTER_S = TOMBSTONE_LIFE_MS / 1000 / 2
"""A database whose state is so old is made anew: whoever was forgotten meanwhile is in it, and the changelog
may say so no more."""

_POSITIONS_HELD = 500_000
"""Users of a partition whose positions a recovery keeps in memory; beyond, it reads them from the store."""


def _nowhere(value: bytes) -> Position:
    return 0, 0  # a table without positions: the last record stays


class DiskFailed(Exception):
    """RocksDB could not write or open a database; the message says which, why, and what to do."""


class ChunkStore(Protocol):
    """What the steps of a chunk need of a table's store."""

    def holds(self, partition: int) -> bool: ...

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def put_many(self, partition: int, values: Mapping[bytes, bytes | None]) -> None: ...

    def partition_items(self, partition: int) -> Iterable[tuple[bytes, bytes]]: ...

    def settle(self, tp: TP, values: Mapping[bytes, bytes | None], offset: int) -> None: ...

    def left_over(self, partition: int) -> frozenset[bytes]: ...

    def mended(self, partition: int) -> None: ...

    def forget(self) -> None: ...


class BatchStore(rocksdb.Store):
    """A Faust store; what Faust itself needs is inherited."""

    # Faust's own is valid UTF-8: an event of a user with that very name would overwrite the offset.
    offset_key = b"\xff offset"

    silence_s: Callable[[], float] = staticmethod(lambda: 0.0)
    """For how long the group has not been heard of: what it did meanwhile is not in the store."""

    on_failure: Callable[[BaseException], None] | None = None
    """Told of a database that cannot be opened: Faust would end with three tracebacks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Positions of the partitions that are recovered from nothing: what was written is all there is, and
        # need not be read back for each record.
        self._recovered: dict[int, dict[bytes, Position]] = {}
        self._left_over: defaultdict[int, set[bytes]] = defaultdict(set)
        self._complete: set[int] = set()  # partitions that have all of their changelog
        self._applied_until: dict[int, float] = {}  # of the others: what they have of it, seconds since 1970
        super().__init__(*args, **options)

    def _open_for_partition(self, partition: int) -> Any:
        folder = self.partition_path(partition)
        self._delete_where_stale(folder)
        is_new = not folder.exists()
        try:
            database = open_database(folder)
            if is_new:
                freshness.mark(folder, time.time())  # it reads the changelog from its beginning
        except Exception as error:
            # Another process may hold the lock for a moment longer: Faust tries again.
            if self.on_failure is not None and "lock" not in str(error).lower():
                self.on_failure(self._disk_failed(partition, "opened", error))
            raise
        if database.get(self.offset_key) is None:
            self._recovered[partition] = {}
        return database

    def _delete_where_stale(self, folder: Path) -> None:
        age_s = freshness.age_s(folder)
        if age_s > STALE_AFTER_S:
            how = "does not say how old it is" if math.isinf(age_s) else f"is {age_s / 3600:.0f} h behind"
            log.info("%s %s: deleted, and recovered", folder.name, how)
            shutil.rmtree(folder)

    def holds(self, partition: int) -> bool:
        """Whether this process holds the partition's database."""
        return partition in self._dbs

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in order; None where there is none."""
        values: list[bytes | None] = self._db_for_partition(partition).get(list(keys))
        return values

    def put_many(
        self, partition: int, values: Mapping[bytes, bytes | None], *, changelog_offset: int | None = None
    ) -> None:
        """Write the values as one batch, and the changelog offset that they reach if given; None deletes."""
        database = self._db_for_partition(partition)
        self._recovered.pop(partition, None)  # after the opening, which may have begun it
        batch = WriteBatch(raw_mode=True)
        for key, value in values.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if changelog_offset is not None:
            batch.put(self.offset_key, str(changelog_offset).encode())
        self._write(partition, database, batch)

    def _write(self, partition: int, database: Any, batch: WriteBatch) -> None:
        try:
            database.write(batch)
        except Exception as error:
            raise self._disk_failed(partition, "written", error) from error

    def _disk_failed(self, partition: int, what: str, error: Exception) -> DiskFailed:
        return DiskFailed(
            f"{self.partition_path(partition)} could not be {what} ({error}); see to the disk and start the "
            "worker again: nothing is lost, the changelog has it all"
        )

    def settle(self, tp: TP, values: Mapping[bytes, bytes | None], offset: int) -> None:
        """The changelog `tp` has the values, which are stored already, up to `offset`."""
        # Written after the state that it covers; a later recovery reads the changelog from there.
        self.put_many(tp.partition, {}, changelog_offset=offset)

    def left_over(self, partition: int) -> frozenset[bytes]:
        """Keys whose newest record in the changelog, as far as it was read, is not the one that counts."""
        return frozenset(self._left_over[partition])

    def mended(self, partition: int) -> None:
        """The records that count were written to the changelog once more."""
        self._left_over.pop(partition, None)

    def forget(self) -> None:
        """All partitions were revoked: nothing is kept outside of the databases."""

    def partition_items(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """Every key and value of a partition, in the order of the keys."""
        return ((key, value) for key, value in self._visible_items(self._db_for_partition(partition)))

    def apply_records(self, tp: TP, records: Sequence[Any]) -> None:
        """Write changelog records as one batch, with the offset that they reach.

        Where two records of a key differ in their source position, the higher one stays, whichever came
        last: the late record of an owner that was frozen and expelled does not undo its successor's. The
        offset stays before it until the changelog is mended.
        """
        database = self._db_for_partition(tp.partition)
        positions = self._recovered.get(tp.partition)
        if positions is None:
            positions = self._stored_positions(database, {record.key for record in records})
        position_of = POSITIONS.get(self.table_name, _nowhere)
        left_over = self._left_over[tp.partition]
        batch = WriteBatch(raw_mode=True)
        for record in records:
            key, value = record.key, record.value
            if value is None:
                batch.delete(key)
                positions.pop(key, None)
                left_over.discard(key)
                continue
            position, stored = position_of(value), positions.get(key)
            if stored is None or stored <= position:
                batch.put(key, value)
                positions[key] = position
                if left_over:
                    left_over.discard(key)
            else:
                left_over.add(key)
        if not left_over:
            batch.put(self.offset_key, str(records[-1].offset).encode())
        self._write(tp.partition, database, batch)
        self._applied_until[tp.partition] = records[-1].timestamp / 1000
        if len(positions) > _POSITIONS_HELD:
            self._recovered.pop(tp.partition, None)

    def _stored_positions(self, database: Any, keys: set[bytes]) -> dict[bytes, Position]:
        position_of = POSITIONS.get(self.table_name, _nowhere)
        values = zip(keys, database.get(list(keys)), strict=True)
        return {key: position_of(value) for key, value in values if value is not None}

    # -- freshness

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        topics = self.table.changelog_topic.topics
        self._complete |= {tp.partition for tp in active_tps if tp.topic in topics}

    def write_out(self) -> None:
        """Bring what is in memory to the disk, and mark it: a kill from now on makes it no older."""
        for partition, database in list(self._dbs.items()):
            self._write_out(partition, database)

    def _write_out(self, partition: int, database: Any) -> None:
        until = time.time() - self.silence_s()
        if partition not in self._complete:
            until = min(until, self._applied_until.get(partition, 0.0))
        database.flush()
        freshness.mark(self.partition_path(partition), until)

    # -- closing: Faust leaves it to the garbage collector, which leaves the lock to chance

    def revoke_partitions(self, table: Any, tps: set[TP]) -> None:
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._close(tp.partition)

    async def stop(self) -> None:
        for partition in list(self._dbs):
            if not self._close(partition):
                return  # it takes RocksDB a second to give up each; the process ends, and lets go of all
        gc.collect()

    def _close(self, partition: int) -> bool:
        """False where what was in memory could not be written out: it is recovered from the changelog."""
        complete = True
        self._recovered.pop(partition, None)
        database = self._dbs.pop(partition, None)
        if database is not None:
            try:
                self._write_out(partition, database)
            except Exception as error:
                complete = False
                log.warning(
                    "%s could not be written out (%s): what is missing is recovered from the changelog",
                    self.partition_path(partition), error,
                )  # fmt: skip
            with suppress(Exception):  # it would write out, too
                database.close()
        self._left_over.pop(partition, None)
        self._complete.discard(partition)
        self._applied_until.pop(partition, None)
        return complete

"""The records of the `events` topic → interactions."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from models.bundle.context import field_codes
from stream_app.domain.decoding import Rejected, decode
from training.errors import UnusableSource
from training.interactions import Interactions
from training.sources.array_file import column_files, mapped_columns
from training.sources.partition_spool import PartitionSpool, merged

_COLUMNS: dict[str, DTypeLike] = {
    "user": np.int32, "item": np.int32, "type_code": np.uint8, "timestamp_ms": np.int64,
}  # fmt: skip


class Record(Protocol):
    """What is read of a Kafka record; aiokafka's are of this kind."""

    topic: Any
    partition: int
    offset: int
    timestamp: int
    key: Any
    value: Any


async def collect(
    batches: AsyncIterator[Iterable[Record]],
    *,
    context_fields: Sequence[str] = (),
    folder: Path | None = None,
) -> Interactions:
    """Decode a whole topic as a worker does; within a partition the records must come in order.

    `forget` takes away what its partition held of the user before. Partitions are merged by the records' own
    timestamps, each in its order of offsets. Bad records are counted in `rejected`, by the field at fault.
    `context_fields` are the fields of the events' own context to keep.

    The columns are mapped, not held: a topic need not fit in memory, its users' and items' ids must. They
    are in `folder`, by default that of temporary files (TMPDIR), under no name any more: the space is free
    again when nobody reads them, however that ends. It is 17 bytes an event and 2 for each field of context,
    and while they are put in order 25 and 2 more.

    Raises UnusableSource where no good record is left, or the disk has no room.
    """
    with ExitStack() as held:
        with _room(folder):
            made = held.enter_context(tempfile.TemporaryDirectory(prefix="millstream-", dir=folder))
        log = _Log(Path(made), tuple(context_fields))
        async for records in batches:
            with _room(folder):
                for record in records:
                    log.add(record)
        with _room(folder):
            return log.finish()


@contextmanager
def _room(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = folder or tempfile.tempdir or "the folder of temporary files"
        raise UnusableSource(
            f"{where}: no room for the events ({error}); make room, or set TMPDIR to another folder"
        ) from error


class _Log:
    def __init__(self, folder: Path, context_fields: tuple[str, ...]) -> None:
        self._folder, self._context_fields = folder, context_fields
        self._users, self._items = dict[bytes, int](), dict[str, int]()
        self._spools = dict[str, PartitionSpool]()
        self._offsets, self._rejected = dict[str, int](), Counter[str]()

    def add(self, record: Record) -> None:
        name = f"{record.topic}/{record.partition}"
        self._offsets[name] = record.offset + 1
        event = decode(record.key, record.value, offset=record.offset, record_timestamp_ms=record.timestamp)
        if isinstance(event, Rejected):
            self._rejected[event.field] += 1
            return
        if (spool := self._spools.get(name)) is None:
            stem = self._folder / f"{len(self._spools)}"
            spool = self._spools[name] = PartitionSpool(stem, context_fields=len(self._context_fields))
        user = self._users.setdefault(event.user, len(self._users))
        if not event.type_code:
            spool.forget(user)
            return
        spool.add(
            user=user,
            item=self._items.setdefault(event.item_id, len(self._items)),
            type_code=event.type_code,
            timestamp_ms=event.timestamp_ms,
            arrived_ms=record.timestamp,
            context=field_codes(event.context, self._context_fields),
        )

    def finish(self) -> Interactions:
        spools = list(self._spools.values())
        for spool in spools:
            spool.close()
        count = sum(spool.count_kept() for spool in spools)
        if not count:
            bad = sum(self._rejected.values())
            raise UnusableSource(
                f"the events topic holds no interactions ({bad} bad records); "
                f"send events, for example with millstream replay"
            )
        dtypes = _COLUMNS | ({"context": np.int16} if self._context_fields else {})
        widths = {"context": len(self._context_fields)}
        with column_files(self._folder, dtypes, length=count, widths=widths) as files:
            for piece in merged(spools):
                for name, file in files.items():
                    file.append(piece[name])
        return Interactions(
            users=tuple(user.decode() for user in self._users),
            items=tuple(self._items),
            offsets=self._offsets,
            rejected=dict(self._rejected),
            **mapped_columns(self._folder, dtypes),
        )

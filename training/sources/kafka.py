"""The records of the `events` topic → interactions."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from models.bundle.context import field_codes
from stream_app.domain.decoding import Rejected, decode
from training.errors import UnusableSource
from training.interactions import Interactions


class Record(Protocol):
    """What is read of a Kafka record; aiokafka's are of this kind."""

    topic: Any
    partition: int
    offset: int
    timestamp: int
    key: Any
    value: Any


async def collect(
    batches: AsyncIterator[Iterable[Record]], *, context_fields: Sequence[str] = ()
) -> Interactions:
    """Decode a whole topic as a worker does; within a partition the records must come in order.

    `forget` takes away what its partition held of the user before. Partitions are merged by the records' own
    timestamps, each in its order of offsets. Bad records are counted in `rejected`, by the field at fault.
    `context_fields` are the fields of the events' own context to keep. Raises UnusableSource where no good
    record is left.
    """
    log = _Log(tuple(context_fields))
    async for records in batches:
        for record in records:
            log.add(record)
    return log.finish()


@dataclass
class _Partition:
    user: array[int] = field(default_factory=lambda: array("i"))
    item: array[int] = field(default_factory=lambda: array("i"))
    type_code: array[int] = field(default_factory=lambda: array("B"))
    timestamp_ms: array[int] = field(default_factory=lambda: array("q"))
    arrived_ms: array[int] = field(default_factory=lambda: array("q"))
    context: array[int] = field(default_factory=lambda: array("h"))  # all fields of an event, then the next's
    forgotten_at: dict[int, int] = field(default_factory=dict)  # user → how many events came before


@dataclass
class _Log:
    context_fields: tuple[str, ...] = ()
    users: dict[bytes, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    partitions: dict[str, _Partition] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        name = f"{record.topic}/{record.partition}"
        self.offsets[name] = record.offset + 1
        event = decode(record.key, record.value, offset=record.offset, record_timestamp_ms=record.timestamp)
        if isinstance(event, Rejected):
            self.rejected[event.field] += 1
            return
        partition = self.partitions.setdefault(name, _Partition())
        user = self.users.setdefault(event.user, len(self.users))
        if not event.type_code:
            partition.forgotten_at[user] = len(partition.user)
            return
        partition.user.append(user)
        partition.item.append(self.items.setdefault(event.item_id, len(self.items)))
        partition.type_code.append(event.type_code)
        partition.timestamp_ms.append(event.timestamp_ms)
        partition.arrived_ms.append(record.timestamp)
        partition.context.extend(field_codes(event.context, self.context_fields))

    def finish(self) -> Interactions:
        parts = [_columns(part, len(self.context_fields)) for part in self.partitions.values()]
        if not sum(len(part["user"]) for part in parts):
            bad = sum(self.rejected.values())
            raise UnusableSource(
                f"the events topic holds no interactions ({bad} bad records); "
                f"send events, for example with millstream replay"
            )
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(whole["arrived_ms"], kind="stable")
        return Interactions(
            users=tuple(user.decode() for user in self.users),
            items=tuple(self.items),
            user=whole["user"][order],
            item=whole["item"][order],
            type_code=whole["type_code"][order],
            timestamp_ms=whole["timestamp_ms"][order],
            context=whole["context"][order] if self.context_fields else None,
            offsets=self.offsets,
            rejected=dict(self.rejected),
        )


def _columns(part: _Partition, fields: int) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    user = np.array(part.user, dtype=np.int32)
    forgotten = np.zeros(int(user.max(initial=-1)) + 1, dtype=np.int64)
    for code, events_before in part.forgotten_at.items():
        if code < len(forgotten):
            forgotten[code] = events_before
    kept = np.arange(len(user)) >= forgotten[user]
    return {
        "user": user[kept],
        "item": np.array(part.item, dtype=np.int32)[kept],
        "type_code": np.array(part.type_code, dtype=np.uint8)[kept],
        "context": np.array(part.context, dtype=np.int16).reshape(len(user), fields)[kept],
        "timestamp_ms": np.array(part.timestamp_ms, dtype=np.int64)[kept],
        # A record may be older than the one before it: the order of offsets stands.
        "arrived_ms": np.maximum.accumulate(np.array(part.arrived_ms, dtype=np.int64))[kept],
    }

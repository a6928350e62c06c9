"""What the consumer needs of the lane that it feeds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from faust.types import TP


class Lane(Protocol):
    """Takes the record lists of one source topic."""

    topic: str

    def accepts(self, tp: TP) -> bool:
        """Whether the partition has room for another record list; without room nothing is fetched for it."""
        ...

    def take(self, tp: TP, records: Sequence[Any], *, generation: int) -> None:
        """Take aiokafka ConsumerRecords of a partition, in order, fetched under a consumer generation."""
        ...

    async def take_over(self, partitions: Collection[TP]) -> None:
        """These partitions of the source were assigned; nothing was read of their state yet."""
        ...

    async def recovered(self, partitions: Collection[TP], *, generation: int) -> set[TP]:
        """Their state is whole; returns those that are to be read from the beginning of their source."""
        ...

    async def wait_for_room(self, *, timeout_s: float) -> None:
        """Return when a partition has room again, or after the time."""
        ...

    async def drain(self, *, timeout_s: float) -> bool:
        """Forget what is queued and wait for what is in flight; False where it took too long."""
        ...

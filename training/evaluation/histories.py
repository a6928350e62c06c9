"""What a recommender is told of a batch of users: their stored histories, as a worker keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.history import ENTRY_BYTES, HEADER_BYTES
from training.evaluation.ragged import Ragged, beside, ragged_of


@dataclass(frozen=True, kw_only=True)
class Histories:
    """A batch of users, each at a moment.

    records    packed histories (`stream_app.domain.history`), oldest event first
    user       int32 [batch], codes of the log's users
    now_ms     int64 [batch]
    catalogue  all items of the log; row = item code + 1
    context    int16 [batch, fields], of the events that asked, as of `Interactions`; None where not kept
    earlier    item codes that the users took before what their records hold, where that is known
    """

    records: Sequence[bytes]
    user: NDArray[np.int32]
    now_ms: NDArray[np.int64]
    catalogue: Vocabulary
    context: NDArray[np.int16] | None = None
    earlier: Ragged | None = None

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def item(self) -> Ragged:
        """The histories' item codes, oldest first, as often as they occur."""
        return Ragged(values=self.catalogue.rows(self._window[:, 0]) - np.int32(1), start=self._start)

    @cached_property
    def type_code(self) -> NDArray[np.uint8]:
        """uint8 [n], beside `item.values`."""
        return (self._window[:, 1] & np.uint64(0xFF)).astype(np.uint8)

    @cached_property
    def timestamp_ms(self) -> NDArray[np.int64]:
        """int64 [n], beside `item.values`."""
        return (self._window[:, 1] >> np.uint64(8)).astype(np.int64)

    @cached_property
    def seen(self) -> Ragged:
        """The item codes that are not to be recommended; a code may occur more than once."""
        return self.item if self.earlier is None else beside(self.earlier, self.item)

    def some(self, chosen: NDArray[np.int64]) -> Histories:
        """The users at the places `chosen`, in that order."""
        return Histories(
            records=[self.records[place] for place in chosen.tolist()],
            user=self.user[chosen],
            now_ms=self.now_ms[chosen],
            catalogue=self.catalogue,
            context=None if self.context is None else self.context[chosen],
            earlier=None if self.earlier is None else ragged_of([self.earlier[place] for place in chosen]),
        )

    def one(self, place: int) -> Histories:
        """The user at `place` alone."""
        return self.some(np.array([place]))

    @cached_property
    def _window(self) -> NDArray[np.uint64]:
        joined = b"".join([record[HEADER_BYTES:] for record in self.records])
        return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)

    @cached_property
    def _start(self) -> NDArray[np.int64]:
        lengths = ((len(record) - HEADER_BYTES) // ENTRY_BYTES for record in self.records)
        return np.fromiter((0, *accumulate(lengths)), dtype=np.int64)

"""Histories → model inputs: the one place where a window is padded, online and offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.history import HEADER_BYTES

EXCLUDE_STEP = 32
"""E, the width of `exclude_ids`, is rounded up to a multiple of this, so that few shapes occur."""


@dataclass(frozen=True)
class ModelInputs:
    """A batch as the encoder takes it; row 0 of the catalogue is padding.

    item_ids, event_types  int32 [batch, L], left-padded, so that the last position is the newest
    time_deltas            float32 [batch, L], seconds before now, never negative
    exclude_ids            int32 [batch, E], 0 = none
    """

    item_ids: npt.NDArray[np.int32]
    event_types: npt.NDArray[np.int32]
    time_deltas: npt.NDArray[np.float32]
    exclude_ids: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.item_ids)


def encode(
    records: Sequence[bytes],
    now_ms: Sequence[int] | npt.NDArray[np.int64],
    vocabulary: Vocabulary,
    *,
    max_length: int,
) -> ModelInputs:
    """Encode packed histories (see `history`) for the moments `now_ms`.

    Items that the vocabulary does not know are dropped before the last `max_length` are taken. Everything
    known in the whole window is excluded from the ranking, not the last `max_length` alone.
    """
    batch = len(records)
    counts = np.array([len(record) - HEADER_BYTES for record in records], dtype=np.int64) >> 4
    packed = b"".join([memoryview(record)[HEADER_BYTES:] for record in records])
    window = np.frombuffer(packed, dtype="<u8").reshape(-1, 2)
    rows = vocabulary.rows(window[:, 0])
    moments = window[:, 1]
    user = np.repeat(np.arange(batch), counts)
    known = rows > 0
    if not known.all():
        rows, moments, user = rows[known], moments[known], user[known]
        counts = np.bincount(user, minlength=batch)
    ends = np.cumsum(counts)
    place = np.arange(len(rows))
    widest = int(counts.max(initial=0))
    exclude = np.zeros((batch, max(-(-widest // EXCLUDE_STEP), 1) * EXCLUDE_STEP), dtype=np.int32)
    exclude[user, place - (ends - counts)[user]] = rows
    column = place + (max_length - ends)[user]
    if widest > max_length:
        last = column >= 0
        rows, moments, user, column = rows[last], moments[last], user[last], column[last]
    item_ids = np.zeros((batch, max_length), dtype=np.int32)
    event_types = np.zeros((batch, max_length), dtype=np.int32)
    time_deltas = np.zeros((batch, max_length), dtype=np.float32)
    item_ids[user, column] = rows
    event_types[user, column] = (moments & np.uint64(0xFF)).astype(np.int32)
    # Subtract in int64 milliseconds, then cast: float32 has no room for an epoch.
    elapsed = np.asarray(now_ms, dtype=np.int64)[user] - (moments >> np.uint64(8)).astype(np.int64)
    time_deltas[user, column] = np.maximum(elapsed, 0) / 1000.0
    return ModelInputs(item_ids, event_types, time_deltas, exclude)

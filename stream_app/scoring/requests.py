"""The rows that a caller wants scored: cut into pieces, joined with others', and put together again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.context import Context
from stream_app.domain.encoding import encode
from stream_app.domain.ranking import Ranked
from stream_app.scoring.snapshot import Snapshot

_Columns = tuple[NDArray[Any], ...]
"""Rows of topk_ids, topk_scores, attention and item_ids."""


@dataclass(frozen=True)
class Scored:
    """The answer for some rows, in the order in which they were given.

    `snapshot` is what they were encoded and scored with, and what ids must be decoded with. `ranked` is
    [rows, K]. `item_ids` int32 [rows, L] are the encoded histories, for the reasons.
    """

    snapshot: Snapshot
    ranked: Ranked
    item_ids: NDArray[np.int32]


@dataclass(eq=False, slots=True)
class Request:
    """What one call asked for, and the parts of the answer so far, by their first row."""

    records: Sequence[bytes]
    now_ms: Sequence[int]
    contexts: Sequence[Context] | None
    snapshot: Snapshot
    answer: asyncio.Future[Scored]
    missing: int
    parts: dict[int, _Columns] = field(default_factory=dict)

    def pieces(self, max_rows: int) -> Iterator[Piece]:
        """All rows, cut into pieces of at most `max_rows`."""
        for start in range(0, len(self.records), max_rows):
            yield Piece(self, start, min(start + max_rows, len(self.records)))

    def assemble(self) -> Scored:
        """The answer; every row must have been scored."""
        parts = [self.parts[start] for start in sorted(self.parts)]
        columns = parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]
        return Scored(self.snapshot, Ranked(*columns[:3]), columns[3])


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows `start` to `stop` of a request."""

    request: Request
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def split(self, rows: int) -> tuple[Piece, Piece | None]:
        """The first `rows` rows, and the rest if there is one."""
        middle = min(self.start + rows, self.stop)
        head = Piece(self.request, self.start, middle)
        return head, Piece(self.request, middle, self.stop) if middle < self.stop else None


def nothing(snapshot: Snapshot) -> Scored:
    """The answer for no rows."""
    k, length = snapshot.scorer.k_limit, snapshot.scorer.max_length
    ids, scores = np.zeros((0, k), dtype=np.int32), np.zeros((0, k), dtype=np.float32)
    attention = np.zeros((0, length), dtype=np.float32)
    return Scored(snapshot, Ranked(ids, scores, attention), np.zeros((0, length), dtype=np.int32))


def score_pieces(snapshot: Snapshot, pieces: Sequence[Piece]) -> list[tuple[Piece, _Columns]]:
    """Score pieces of one snapshot as one batch, and give each its part of the answer."""
    records: list[bytes] = []
    now_ms: list[int] = []
    contexts: list[Context] = []
    for piece in pieces:
        records.extend(piece.request.records[piece.start : piece.stop])
        now_ms.extend(piece.request.now_ms[piece.start : piece.stop])
        told = piece.request.contexts
        contexts.extend([None] * len(piece) if told is None else told[piece.start : piece.stop])
    inputs = encode(
        records,
        now_ms,
        snapshot.vocabulary,
        max_length=snapshot.scorer.max_length,
        context_fields=snapshot.manifest.context_fields,
        contexts=contexts,
        trained=snapshot.manifest.item_count,
    )
    ranked = snapshot.scorer.score(inputs)
    columns = (ranked.topk_ids, ranked.topk_scores, ranked.attention, inputs.item_ids)
    parts = []
    start = 0
    for piece in pieces:
        stop = start + len(piece)
        parts.append((piece, tuple(column[start:stop] for column in columns)))
        start = stop
    return parts

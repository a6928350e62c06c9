"""Scores → the list that a user gets, and why."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.bundle.signature import NO_CANDIDATE_SCORE
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.history import item_hashes
from stream_app.domain.messages import Because, RecommendedItem

REASONS = 3
"""How many items of the history are named as the reason for a list."""


@dataclass(frozen=True)
class Ranked:
    """What the encoder gives for a batch.

    topk_ids     int32 [batch, K], best first; 0 = no candidate
    topk_scores  float32 [batch, K]; at or below −1e8 = no candidate
    attention    float32 [batch, L]; sums to 1 over real positions, or to 0 where there is none
    """

    topk_ids: npt.NDArray[np.int32]
    topk_scores: npt.NDArray[np.float32]
    attention: npt.NDArray[np.float32]


class Candidate(NamedTuple):
    """A trending item, ready to be placed: its hash and its finished place in a list."""

    item_hash: int
    item: RecommendedItem


class RankedList(NamedTuple):
    """A finished list: the items and their packed 8-byte hashes, both best first."""

    items: tuple[RecommendedItem, ...]
    hashes: bytes


def rank(
    ranked: Ranked, item_ids: npt.NDArray[np.int32], vocabulary: Vocabulary, *, k: int
) -> list[RankedList]:
    """The model's lists of at most `k` items each, given the encoded histories `item_ids` [batch, L]."""
    because = _reasons(ranked.attention, item_ids, vocabulary)
    ids, scores = ranked.topk_ids[:, :k], ranked.topk_scores[:, :k]
    found = ((ids > 0) & (scores > NO_CANDIDATE_SCORE)).sum(axis=1).tolist()
    hashes = vocabulary.hashes.take(ids)
    names = vocabulary.names
    lists = []
    for row, (places, values, count) in enumerate(zip(ids.tolist(), scores.tolist(), found, strict=True)):
        why = because[row]
        items = tuple(
            [  # a list: half the time of a generator
                RecommendedItem(names[place], value, why)
                for place, value in zip(places[:count], values[:count], strict=True)
            ]
        )
        lists.append(RankedList(items, hashes[row, :count].tobytes()))
    return lists


def _reasons(
    attention: npt.NDArray[np.float32], item_ids: npt.NDArray[np.int32], vocabulary: Vocabulary
) -> list[tuple[Because, ...]]:
    strongest = np.argsort(-attention, axis=1, kind="stable")[:, :REASONS]
    strongest += np.arange(0, attention.size, attention.shape[1])[:, None]  # places in the whole batch
    # Rounded as float64: a float32 of four digits has seventeen in JSON.
    weights = attention.take(strongest).astype(np.float64).round(4).tolist()
    rows = item_ids.take(strongest).tolist()
    names = vocabulary.names
    reasons = []
    for row_ids, row_weights in zip(rows, weights, strict=True):
        merged: dict[int, float] = {}
        for item, weight in zip(row_ids, row_weights, strict=True):
            if item and weight > 0:
                merged[item] = round(merged[item] + weight, 4) if item in merged else weight
        by_weight = sorted(merged.items(), key=_weight, reverse=True)
        reasons.append(tuple([Because(names[item], weight) for item, weight in by_weight]))
    return reasons


_weight = itemgetter(1)


def rank_trending(
    candidates: Sequence[Candidate], records: Iterable[bytes | None], *, k: int
) -> list[RankedList]:
    """The fallback: for each record the first `k` trending items that the stored window does not hold."""
    top = _placed(candidates[:k])
    in_top = frozenset([candidate.item_hash for candidate in candidates[:k]])
    known = frozenset([candidate.item_hash for candidate in candidates])
    lists = []
    for record in records:
        seen = known.intersection(item_hashes(record)) if record is not None else _NOTHING
        if in_top.isdisjoint(seen):
            lists.append(top)  # one for all: most users have seen nothing of it
        else:
            new = (candidate for candidate in candidates if candidate.item_hash not in seen)
            lists.append(_placed(tuple(islice(new, k))))
    return lists


_NOTHING: frozenset[int] = frozenset()


def _placed(candidates: Sequence[Candidate]) -> RankedList:
    hashes = [candidate.item_hash for candidate in candidates]
    return RankedList(
        tuple([candidate.item for candidate in candidates]), struct.pack(f"<{len(hashes)}Q", *hashes)
    )


def knows(item_ids: npt.NDArray[np.int32]) -> Sequence[bool]:
    """Which rows of an encoded batch [batch, L] hold at least one item that the model knows."""
    known: list[bool] = (item_ids[:, -1] > 0).tolist()  # left-padded: the last place is filled first
    return known

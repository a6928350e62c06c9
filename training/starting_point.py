"""Where training starts from: what counting alone tells about the items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.dataset import Sequences
from training.long_columns import pieces

_OVERSAMPLING = 16
_ROUNDS = 3
_MOST_PAIRS = 10_000_000
"""A longer log is told by so many of its pairs: they are held in memory, some 100 bytes each."""


class LearntEvents(NamedTuple):
    """counts   float64 [items], how many of the events are of each item
    follows  whether one of them comes after another event of its user: the first is never predicted
    """

    counts: NDArray[np.float64]
    follows: bool


def learnt_events(
    sequences: Sequences, held_out: NDArray[np.bool_] | None, *, codes: Sequence[int], items: int
) -> LearntEvents:
    """What is learnt of a log: its events of the types `codes` that are not held out."""
    counts, follows = np.zeros(items, dtype=np.int64), False
    for piece in pieces(len(sequences.row)):
        learnt = np.isin(sequences.type_code[piece], codes)
        if held_out is not None:
            learnt &= ~held_out[piece]
        counts += np.bincount(sequences.row[piece][learnt] - 1, minlength=items)
        begin, end = np.searchsorted(sequences.start, [piece.start, piece.stop])
        learnt[sequences.start[begin:end] - piece.start] = False
        follows |= bool(learnt.any())
    return LearntEvents(counts.astype(np.float64), follows)


def learnt_pairs(
    sequences: Sequences, held_out: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Users and items (rows from 0), both int32 [n], of the events that are not held out; of a very long log,
    of some events at equal distances."""
    length = len(sequences.row)
    place = np.linspace(0, length - 1, min(length, _MOST_PAIRS)).astype(np.int64)
    if held_out is not None:
        place = place[~held_out[place]]
    user = np.searchsorted(sequences.start, place, side="right") - 1
    return user.astype(np.int32), sequences.row[place] - 1


def popularity_bias(counts: NDArray[np.float64]) -> Tensor:
    """log of each item's share of the targets, float32 [items]: the model starts as the popularity list."""
    return torch.tensor(np.log(counts + 0.1) - np.log(counts.sum() + 0.1), dtype=torch.float32)


def spectral_vectors(
    user: NDArray[np.int32], item: NDArray[np.int32], *, items: int, width: int, scale: float
) -> Tensor:
    """Vectors float32 [items, width] from the singular vectors of the user–item matrix.

    `user` and `item` [n] name the pairs. Each is divided by the root of its user's and its item's count; the
    first singular vector, which is popularity, is left out.
    Items that the same users choose start close to each other: an epoch from here reaches what takes six from
    random vectors. The root mean square is `scale`.
    """
    users = int(user.max(initial=0)) + 1
    user_count, item_count = np.bincount(user, minlength=users), np.bincount(item, minlength=items)
    weight = 1.0 / np.sqrt(user_count[user] * item_count[item])
    pairs = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([user, item])).long(),
        torch.from_numpy(weight).float(),
        (users, items),
        check_invariants=False,
    ).coalesce()
    found = max(min(width + _OVERSAMPLING, users, items), 1)
    _, strength, directions = torch.svd_lowrank(pairs, q=found, niter=_ROUNDS)
    kept = directions[:, 1 : width + 1] * strength[1 : width + 1].sqrt()
    vectors = torch.cat([kept, torch.zeros(items, width - kept.shape[1])], dim=1)
    # Turned at random: heads and normalisation should not find the strongest directions in the first columns.
    vectors = vectors @ torch.linalg.qr(torch.randn(width, width))[0]
    vectors = vectors / vectors.square().mean().sqrt().clamp(min=1e-6) * scale
    longest = 3.0 * scale * width**0.5
    vectors = vectors * (longest / vectors.norm(dim=1, keepdim=True).clamp(min=longest))
    noise = torch.randn(items, width) * (0.05 * scale)
    spread: Tensor = vectors + noise
    return spread

"""Pairs of users and items that were not taken, drawn beside those that were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


class TakenPairs:
    """Which user took which item, each pair once.

    user, item  int32 [n]
    """

    def __init__(self, user: NDArray[np.integer], item: NDArray[np.integer], *, items: int) -> None:
        """`items` is above all item codes."""
        pair = np.sort(user.astype(np.int64) * items + item)
        self._items, self._pair = items, pair[np.diff(pair, prepend=-1) > 0]
        self.user, self.item = (part.astype(np.int32) for part in np.divmod(self._pair, max(items, 1)))

    def __len__(self) -> int:
        return len(self._pair)

    def contain(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.bool_]:
        """bool [n, c], for users int32 [n] and items int32 [n, c]."""
        pair = user[:, None].astype(np.int64) * self._items + item
        place = np.minimum(np.searchsorted(self._pair, pair), len(self._pair) - 1)
        found: NDArray[np.bool_] = self._pair[place] == pair
        return found


@dataclass(frozen=True, kw_only=True)
class LabelledItems:
    """Items for each of n users: p that he took, then c that were drawn.

    item    int32 [n, p + c]
    label   float32 [n, p + c], 1 where he took it
    weight  float32 [n, p + c], 0 where he took what was drawn
    """

    item: Tensor
    label: Tensor
    weight: Tensor

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """Binary cross-entropy of logits [n, p + c], summed over the users, for one item taken."""
        summed = binary_cross_entropy_with_logits(logits, self.label, self.weight, reduction="sum")
        return summed / self.label[0].sum()


def labelled(
    pairs: TakenPairs, user: NDArray[np.int32], positive: NDArray[np.int32], drawn: NDArray[np.int32]
) -> LabelledItems:
    """Of positive items [n, p] and drawn ones [n, c] of the users [n].

    A drawn item that was taken counts nothing instead of being drawn again, which would have no end for a
    user who took everything.
    """
    label, weight = np.zeros((2, len(user), positive.shape[1] + drawn.shape[1]), dtype=np.float32)
    label[:, : positive.shape[1]] = 1.0
    weight[:, : positive.shape[1]] = 1.0
    weight[:, positive.shape[1] :] = ~pairs.contain(user, drawn)
    return LabelledItems(
        item=torch.from_numpy(np.concatenate([positive, drawn], axis=1)),
        label=torch.from_numpy(label),
        weight=torch.from_numpy(weight),
    )

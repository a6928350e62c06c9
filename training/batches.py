"""The batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bundle.signature import EVENT_TYPES
from models.encoder_config import QueryTime
from training.dataset import HistoryRules, Sequences
from training.fit_config import FitConfig
from training.objectives import target_weights
from training.windows import cut_windows, oldest_remembered, plan_windows

DAY_MS = 86_400_000
_STRETCH = 16

Batch = dict[str, Tensor]


class EpochBatches:
    """The batches of one epoch, in an order drawn from (seed, epoch); each is cut when its turn comes.

    An event of `held_out` [n] is no target. The batches begin at number `first`, but the length is that of
    the whole epoch. Of each batch `rank` gets every `ranks`-th window: all of them get what one alone would.
    """

    def __init__(
        self,
        sequences: Sequences,
        *,
        rules: HistoryRules,
        config: FitConfig,
        epoch: int,
        held_out: NDArray[np.bool_] | None = None,
        with_context: bool = False,
        query_time: QueryTime = "event",
        first: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        random = np.random.default_rng((config.seed, epoch))
        plan = plan_windows(sequences, rules, random=random)
        if held_out is not None:
            plan = plan[_has_target(plan, held_out)]
        order = random.permutation(len(plan))
        if config.group_lengths:
            order = _grouped(order, _lengths(plan, sequences, rules), config.batch_size, random)
        self._plan: NDArray[np.int64] = plan[order]
        self._sequences, self._rules, self._config, self._held_out = sequences, rules, config, held_out
        self._first, self._rank, self._ranks = first, rank, ranks
        weight_of_type = target_weights(config, rules)
        self._target_codes = tuple(weight_of_type)
        self._weight_of_type = np.zeros(len(EVENT_TYPES), dtype=np.float64)
        self._weight_of_type[list(weight_of_type)] = list(weight_of_type.values())
        self._with_context, self._query_time = with_context, query_time
        self._end_ms = int(sequences.timestamp_ms.max(initial=0))

    def __len__(self) -> int:
        return -(-len(self._plan) // self._config.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(number) for number in range(self._first, len(self)))

    def batch(self, number: int) -> Batch:
        """This rank's windows of a batch: item_ids, event_types, targets int64 [windows, L]; time_deltas,
        weights float32 [windows, L]; context int64 [windows, L, C] where it was asked for."""
        size = self._config.batch_size
        whole = self._plan[number * size : (number + 1) * size]
        share = whole[self._rank :: self._ranks]
        # There is always something to encode: the ranks step together.
        windows = cut_windows(
            self._sequences,
            share if len(share) else whole[:1],
            self._rules,
            held_out=self._held_out,
            target_codes=self._target_codes,
            with_context=self._with_context,
            query_time=self._query_time,
        )
        if self._config.group_lengths:
            windows = windows.without_padding()
        half_life_days = self._config.recency_half_life_days
        age_days = (self._end_ms - windows.target_ms) / DAY_MS
        weights = np.ones_like(age_days) if half_life_days is None else 0.5 ** (age_days / half_life_days)
        weights = weights * self._weight_of_type[windows.target_types]
        targets = windows.targets if len(share) else np.zeros_like(windows.targets)
        batch = {
            "item_ids": torch.from_numpy(windows.item_ids).long(),
            "event_types": torch.from_numpy(windows.event_types).long(),
            "time_deltas": torch.from_numpy(windows.time_deltas),
            "targets": torch.from_numpy(targets).long(),
            "weights": torch.from_numpy(weights.astype(np.float32)),
        }
        if windows.context is not None:
            batch["context"] = torch.from_numpy(windows.context).long()
        return batch


def _lengths(plan: NDArray[np.int64], sequences: Sequences, rules: HistoryRules) -> NDArray[np.int64]:
    """How many events a window holds, the unknown among them, int64 [windows]."""
    last = plan[:, 0]
    first = np.maximum(sequences.first_of(last), last - rules.window_length + 1)
    return last - oldest_remembered(sequences, last, first, rules) + 1


def _grouped(
    order: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """The order with windows of about one length side by side.

    Sorted within stretches of `_STRETCH` batches, whose batches are then shuffled: what is in a batch changes
    with every epoch, and long ones do not come last.
    """
    grouped = []
    stretch = batch_size * _STRETCH
    for begin in range(0, len(order), stretch):
        piece = order[begin : begin + stretch]
        piece = piece[np.argsort(lengths[piece], kind="stable")]
        batches = [piece[at : at + batch_size] for at in range(0, len(piece), batch_size)]
        whole, rest = batches[: len(piece) // batch_size], batches[len(piece) // batch_size :]
        grouped += [whole[place] for place in random.permutation(len(whole))] + rest
    return np.concatenate(grouped) if grouped else order


def weight_of(batch: Batch) -> Tensor:
    """What the targets of a batch weigh together: the loss of the batch is a mean by these weights."""
    learnt = (batch["targets"] > 0) & (batch["item_ids"] > 0)
    return (batch["weights"].abs() * learnt).sum()


def _has_target(plan: NDArray[np.int64], held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which windows have an event to learn that is not held out."""
    before = np.append(0, np.cumsum(~held_out, dtype=np.int64))  # learnt events before each place
    after_last = plan[:, 0] + 2  # a window's last target is the event after its last
    kept: NDArray[np.bool_] = before[after_last] > before[after_last - plan[:, 1]]
    return kept

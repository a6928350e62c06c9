"""Vectors of users and items, and a network that says how probable it is that a user takes an item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions
from training.rivals.negative_sampling import TakenPairs, labelled
from training.rivals.pair_config import PairFit

_LAST_RATE = 0.01
"""The learning rate falls in a line to this part of its start."""


@dataclass(frozen=True, kw_only=True)
class PairModel:
    """What was fitted; nothing of it takes gradients.

    users, items  float32 [users, width], [items, width]; 0 where one did not train
    knows_user    bool [users]
    knows_item    bool [items]
    network       (users [g, m, width], items [g, c, width]) → logits [g, m, c]: all pairs in each of g groups
    """

    users: Tensor
    items: Tensor
    knows_user: NDArray[np.bool_]
    knows_item: NDArray[np.bool_]
    network: nn.Module
    config: PairFit


def fit_pairs(training: Interactions, network: Callable[[], nn.Module], config: PairFit) -> PairModel:
    """Fit to tell the pairs that were taken, each once, from drawn ones (`LabelledItems.cross_entropy`).

    The same seed gives the same model. Raises NotApplicable where the log is empty.
    """
    if not len(training):
        raise NotApplicable("the log has no events to learn from")
    pairs = TakenPairs(training.user, training.item, items=len(training.items))
    known = np.unique(pairs.item)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = network()
        # Sparse, so that a step costs what its batch has and not what the tables have.
        users = nn.Embedding(len(training.users), config.width, sparse=True)
        items = nn.Embedding(len(training.items), config.width, sparse=True)
        for table in (users, items):
            nn.init.normal_(table.weight, std=config.spread)
    random = np.random.default_rng(config.seed)
    steps = -(-len(pairs) // config.batch)
    tables = torch.optim.SparseAdam([users.weight, items.weight], lr=config.rate)
    layers = torch.optim.Adam(net.parameters(), lr=config.rate)
    falling = [falling_rate(optimiser, steps * config.epochs) for optimiser in (tables, layers)]
    for _ in range(config.epochs):
        for chosen in np.array_split(random.permutation(len(pairs)), steps):
            user = pairs.user[chosen]
            drawn = random.choice(known, (len(chosen), config.negatives))
            batch = labelled(pairs, user, pairs.item[chosen, None], drawn)
            left, right = users(torch.from_numpy(user[:, None])), items(batch.item)
            loss = batch.cross_entropy(net(left, right)[:, 0])
            loss = loss + config.decay * (left.square().sum() + right.square().sum())
            tables.zero_grad()
            layers.zero_grad()
            (loss / len(chosen)).backward()
            tables.step()  # type: ignore[no-untyped-call]
            layers.step()
            for rate in falling:
                rate.step()
    knows_user = np.bincount(pairs.user, minlength=len(training.users)) > 0
    knows_item = np.bincount(pairs.item, minlength=len(training.items)) > 0
    return PairModel(
        users=users.weight.detach() * torch.from_numpy(knows_user)[:, None],
        items=items.weight.detach() * torch.from_numpy(knows_item)[:, None],
        knows_user=knows_user,
        knows_item=knows_item,
        network=net.eval().requires_grad_(False),
        config=config,
    )


def falling_rate(optimiser: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """A learning rate that falls in a line over so many steps."""
    return torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, _LAST_RATE, steps)

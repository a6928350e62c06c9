"""What a fitted pair model answers; users who did not train are folded in."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.evaluation.histories import Histories
from training.rivals.blocks import best_of_blocks
from training.rivals.negative_sampling import TakenPairs, labelled
from training.rivals.pair_model import PairModel, falling_rate

_FOLDED_AT_ONCE = 256


def best_items(model: PairModel, histories: Histories, *, held: int, k: int) -> NDArray[np.int32]:
    """The k most probable items that trained, int32 [batch, k]; a pair takes `held` numbers in memory."""
    users = user_vectors(model, histories)

    def scores(here: slice) -> NDArray[np.float32]:
        # Logits, whose order is finer than that of probabilities close to 1.
        logits: NDArray[np.float32] = model.network(users[None, here], model.items[None])[0].numpy()
        return np.where(model.knows_item, logits, np.float32(-np.inf))

    return best_of_blocks(scores, histories.seen, cells=len(model.items) * held, k=k)


def probabilities(model: PairModel, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.float64]:
    """float64 [batch, c], for item codes int32 [batch, c]; an item that did not train has a vector of 0."""
    users = user_vectors(model, histories)
    logits: Tensor = model.network(users[:, None], model.items[torch.from_numpy(items)])[:, 0]
    return torch.sigmoid(logits.double()).numpy()


def user_vectors(model: PairModel, histories: Histories) -> Tensor:
    """float32 [batch, width]: what was trained, or else fitted to the history, with items and network frozen.

    A fold-in has the loss of the fit. What is drawn depends on the seed, the user's code and his history
    alone, and users share no step: who else is in the batch changes nothing. Without an item that trained a
    user gets the mean of those who did.
    """
    vectors = model.users[torch.from_numpy(histories.user)]
    unknown = np.flatnonzero(~model.knows_user[histories.user])
    vectors[torch.from_numpy(unknown)] = model.users[torch.from_numpy(model.knows_user)].mean(dim=0)
    known_items = [row[model.knows_item[row]] for row in map(histories.item.__getitem__, unknown.tolist())]
    told = [number for number, row in enumerate(known_items) if len(row)]
    for first in range(0, len(told), _FOLDED_AT_ONCE):
        part = told[first : first + _FOLDED_AT_ONCE]
        places = torch.from_numpy(unknown[part])
        rows, codes = [known_items[number] for number in part], histories.user[unknown[part]]
        vectors[places] = _folded_in(model, vectors[places], rows, codes)
    return vectors


def _folded_in(
    model: PairModel, start: Tensor, rows: list[NDArray[np.int32]], codes: NDArray[np.int32]
) -> Tensor:
    config = model.config
    known = np.flatnonzero(model.knows_item).astype(np.int32)
    shape = (len(rows), config.fold_in_steps, config.fold_in_batch)
    positive = np.empty(shape, dtype=np.int32)
    drawn = np.empty((*shape[:2], shape[2] * config.negatives), dtype=np.int32)
    for number, (row, code) in enumerate(zip(rows, codes.tolist(), strict=True)):
        random = np.random.default_rng([config.seed, code])
        positive[number] = random.choice(row, positive.shape[1:])
        drawn[number] = random.choice(known, drawn.shape[1:])
    user = np.arange(len(rows), dtype=np.int32)
    owner = np.repeat(user, [len(row) for row in rows])
    pairs = TakenPairs(owner, np.concatenate(rows), items=len(model.items))
    vectors = start.requires_grad_()
    optimiser = torch.optim.Adam([vectors], lr=config.fold_in_rate)
    falling = falling_rate(optimiser, config.fold_in_steps)
    for step in range(config.fold_in_steps):
        batch = labelled(pairs, user, positive[:, step], drawn[:, step])
        logits = model.network(vectors[:, None], model.items[batch.item])[:, 0]
        loss = batch.cross_entropy(logits) + config.decay * vectors.square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
    return vectors.detach()

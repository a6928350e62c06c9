"""Questions from what was held out, and how a model answers them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle.signature import capacity
from models.encoder_config import QueryTime
from models.sequence_model import SequenceModel
from models.served_encoder import ServedEncoder
from training.dataset import HistoryRules, Sequences
from training.errors import TrainingError
from training.evaluation.metrics import discounted_gains, hits, rank_of
from training.fit_config import FitConfig
from training.windows import cut_windows, stored_rows

K = 10
_CANDIDATES_AT_ONCE = 20_000
_SCORES_AT_ONCE = {"cpu": 1 << 22, "cuda": 1 << 27}
_QUESTIONS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What the worker would encode at the event before each held-out one.

    item_ids, event_types  int32 [q, L], left-padded
    time_deltas            float32 [q, L], seconds before the moment of asking
    seen                   int32 [q, N], rows of the stored window, 0 = none
    target                 int32 [q], rows
    context                int32 [q, C], of the events before; for a model that hears of it
    """

    item_ids: NDArray[np.int32]
    event_types: NDArray[np.int32]
    time_deltas: NDArray[np.float32]
    seen: NDArray[np.int32]
    target: NDArray[np.int32]
    context: NDArray[np.int32] | None = None


def draw_questions(
    sequences: Sequences,
    held_out: NDArray[np.bool_],
    *,
    rules: HistoryRules,
    config: FitConfig,
    query_time: QueryTime = "event",
) -> Questions:
    """At most `validation_questions` of the held-out events of a positive type, drawn by the seed.

    An item of the stored window is left out of the list, and so not asked for either; nor is an event that
    nothing stored precedes. Raises TrainingError where no event is left.
    """
    wanted = held_out & np.isin(sequences.type_code, rules.positive_codes) & (sequences.row > 0)
    wanted[sequences.start[:-1]] = False
    drawn = np.random.default_rng((config.seed, 1)).permutation(np.flatnonzero(wanted))
    chosen, count = list[NDArray[np.int64]](), 0
    for begin in range(0, len(drawn), _CANDIDATES_AT_ONCE):
        place = drawn[begin : begin + _CANDIDATES_AT_ONCE]
        seen = stored_rows(sequences, place - 1, rules)
        new = (seen > 0).any(1) & (seen != sequences.row[place][:, None]).all(1)
        chosen.append(place[new][: config.validation_questions - count])
        count += len(chosen[-1])
        if count >= config.validation_questions:
            break
    if not count:
        raise TrainingError(
            f"none of the {int(held_out.sum())} held-out events can be asked: each needs a history, and an "
            "item that is not in it; train with another validation, or none"
        )
    place = np.sort(np.concatenate(chosen))
    plan = np.stack([place - 1, np.ones_like(place)], axis=1)
    windows = cut_windows(sequences, plan, rules, with_context=True, query_time=query_time)
    assert windows.context is not None
    return Questions(
        item_ids=windows.item_ids,
        event_types=windows.event_types,
        time_deltas=windows.time_deltas,
        seen=stored_rows(sequences, place - 1, rules),
        target=sequences.row[place],
        context=windows.context[:, -1],
    )


@torch.no_grad()
def ranks(model: SequenceModel, questions: Questions, *, rank: int = 0, ranks: int = 1) -> NDArray[np.int64]:
    """Where each target stands in the ranking of the whole catalogue, int64 [q]: 1 to 10, 0 = further down.

    Asked is what the bundle's graph would answer, on the model's device, in float32; of several processes
    each takes every `ranks`-th question. The scores [q, V] never exist as a whole.
    """
    learning, device = model.training, model.vectors.device
    model.eval()
    served = ServedEncoder(model.encoder, k_limit=K, in_blocks=False)
    vectors, bias = model.catalogue(capacity(len(model.vectors)))
    size = max(min(_SCORES_AT_ONCE.get(device.type, 1 << 24) // len(vectors), _QUESTIONS_AT_ONCE), 1)
    mine = np.arange(rank, len(questions.target), ranks)
    found = [np.zeros(0, dtype=np.int64)]
    for begin in range(0, len(mine), size):
        some = mine[begin : begin + size]
        arrays = (questions.item_ids, questions.event_types, questions.time_deltas, questions.seen)
        inputs = (torch.from_numpy(array[some]).to(device) for array in arrays)
        context = None
        if questions.context is not None and model.encoder.config.context is not None:
            context = torch.from_numpy(questions.context[some]).to(device)
        best, _, _ = served(*inputs, vectors, bias, context)
        found.append(rank_of(best.cpu().numpy(), questions.target[some]))
    model.train(learning)
    return np.concatenate(found)


def gains_and_hits(found: NDArray[np.int64]) -> tuple[float, float]:
    """Sums over questions; divided by their number they are NDCG@10 and HR@10."""
    return float(discounted_gains(found, K).sum()), float(hits(found, K).sum())

"""Losses over a catalogue: what the state of a position should score highest, and what it should not.

All take states float32 [n, d], the catalogue's vectors float32 [V, d] and bias float32 [V], and the targets'
rows, int64 [n]; the score of item j is states · vectors[j] + bias[j]. `weights` float32 [n] say how much each
target counts. A negative weight counts against its target: the item was disliked, and the loss is
−log(1 − p) instead of −log p (unlikelihood: Welleck et al., 2020). The mean is weighted by |weights|.

All are computed in float32, in mixed precision, too: see `_in_float32`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

_SCORES_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Scores held at a time, twice. On a CPU 2 MB, which stay in its cache, where all would go through memory."""
_LEAST_ROWS = 64
"""States at a time, at least: each chunk reads and writes the gradient of all vectors. Against 16, 1.6 and
1.8 times as fast for 20,000 and 50,000 items."""
_TINY = 1e-30
_MOST = 1.0 - 1e-6
"""A probability of 1 for a disliked item would cost infinitely much."""
_NEVER = -1e4

P = ParamSpec("P")


def _in_float32(
    loss: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The same loss in mixed precision, too: a softmax over a catalogue has more small terms than bfloat16
    can tell apart."""

    @functools.wraps(loss)
    def computed(states: Tensor, /, *others: P.args, **options: P.kwargs) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return loss(states.float(), *others, **options)

    return computed


@_in_float32
def full_softmax_cross_entropy(
    states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, *, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of `targets` under softmax(scores), over every item of the catalogue.

    `smoothing` spreads that part of a liked target evenly over the V items.

    The gradient is taken chunk by chunk together with the loss, so that the scores [n, V] never exist as a
    whole: exact, and on a CPU three times as fast as the plain formula.
    """
    loss: Tensor = _FullSoftmax.apply(states, vectors, bias, targets, weights, smoothing)
    return loss


@_in_float32
def sampled_softmax_cross_entropy(
    states: Tensor,
    vectors: Tensor,
    bias: Tensor,
    targets: Tensor,
    weights: Tensor,
    *,
    negatives: Tensor,
    log_q: Tensor,
) -> Tensor:
    """The full softmax, estimated from some items that stand for the catalogue.

    `negatives` int64 [S] were drawn, with replacement, by the probabilities exp(`log_q`), float32 [V]. The
    score of each is lowered by log(S q), the logarithm of how often it is drawn, so that what is drawn often
    does not count twice: without it, popular items are pushed down for being popular (Bengio and Senécal,
    2008; Yi et al., 2019). A negative that is the target itself is left out of that row, and the target's own
    score stays as it is, since it was not drawn (Khrylchenko et al., Correcting the LogQ Correction, 2025):
    the sum under the softmax is then right in the mean.
    """
    drawn = log_q + math.log(max(len(negatives), 1))
    own = (states * vectors[targets]).sum(1) + bias[targets]
    others = torch.addmm(bias[negatives] - drawn[negatives], states, vectors[negatives].T)  # [n, S]
    others = others.masked_fill(negatives == targets[:, None], _NEVER)
    log_p = own - torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1)
    return _weighted(_liked_or_not(log_p, weights), weights)


@_in_float32
def binary_cross_entropy(
    states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, *, negatives: Tensor
) -> Tensor:
    """−log σ(target) − mean log σ(−negative), with `negatives` int64 [n, m] of each row's own.

    SASRec's first loss (Kang and McAuley, 2018: m = 1, drawn evenly). Here to compare with: every published
    comparison finds it far behind the softmax. A negative that is the target itself counts for nothing.
    """
    own = (states * vectors[targets]).sum(1) + bias[targets]
    others = torch.einsum("nd,nmd->nm", states, vectors[negatives]) + bias[negatives]
    pushed = F.softplus(others.masked_fill(negatives == targets[:, None], _NEVER)).mean(1)
    # Against a disliked target: −log σ(−target), and no other item need go down for it.
    loss = torch.where(weights < 0, F.softplus(own), F.softplus(-own) + pushed)
    return _weighted(loss, weights)


def _log_p(p: Tensor, scores: Tensor, wanted: Tensor) -> Tensor:
    """log p [n, 1], of those too small for a float32 from the scores themselves."""
    log_p = p.log()
    tiny = (p[:, 0] < _TINY).nonzero()[:, 0]
    if len(tiny):
        few = scores[tiny]
        log_p[tiny] = few.gather(1, wanted[tiny]) - few.logsumexp(1, keepdim=True)
    return log_p


def _liked_or_not(log_p: Tensor, weights: Tensor) -> Tensor:
    disliked = -torch.log1p(-log_p.exp().clamp(max=_MOST))
    return torch.where(weights < 0, disliked, -log_p)


def _weighted(loss: Tensor, weights: Tensor) -> Tensor:
    size = weights.abs()
    return (loss * size).sum() / size.sum().clamp(min=1e-9)


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        vectors: Tensor,
        bias: Tensor,
        targets: Tensor,
        weights: Tensor,
        smoothing: float,
    ) -> Tensor:
        share = weights.abs() / weights.abs().sum().clamp(min=1e-9)
        is_disliked = weights < 0
        any_disliked = bool(is_disliked.any())
        state_grad = torch.empty_like(states)
        vector_grad = torch.zeros_like(vectors)
        bias_grad = torch.zeros_like(bias)
        loss = states.new_zeros(())
        chunk = max(_SCORES_AT_ONCE.get(states.device.type, 1 << 24) // len(vectors), _LEAST_ROWS)
        all_scores, all_p = states.new_empty((2, min(chunk, len(states)), len(vectors)))
        for start in range(0, len(states), chunk):
            part = slice(start, start + chunk)
            state, wanted, portion = states[part], targets[part, None], share[part, None]
            scores = torch.addmm(bias, state, vectors.T, out=all_scores[: len(state)])  # [chunk, V]
            slope = torch.softmax(scores, 1, out=all_p[: len(state)])
            p = slope.gather(1, wanted)
            log_p = _log_p(p, scores, wanted)
            costs, factor, one = -log_p, portion, torch.full_like(portion, 1.0 - smoothing)
            if smoothing:
                costs = costs + smoothing * (scores.gather(1, wanted) - scores.mean(1, keepdim=True))
                even = torch.full_like(portion, smoothing / len(vectors))
            if any_disliked:
                # −log(1 − p) instead: its slope is odds × (target − softmax).
                against, p = is_disliked[part, None], p.clamp(max=_MOST)
                costs = torch.where(against, -torch.log1p(-p), costs)
                factor = torch.where(against, -portion * p / (1.0 - p), portion)
                one = torch.where(against, 1.0, one)
            loss += (costs * portion).sum()
            # d loss / d scores = factor × (softmax − smoothed target); the factor is put to the narrow side.
            slope.scatter_add_(1, wanted, -one)
            if smoothing:
                slope.sub_(torch.where(is_disliked[part, None], 0.0, even))
            torch.mm(slope, vectors, out=state_grad[part])
            state_grad[part] *= factor
            vector_grad.addmm_(slope.T, state * factor)
            bias_grad.addmv_(slope.T, factor[:, 0])
        ctx.save_for_backward(state_grad, vector_grad, bias_grad)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        state_grad, vector_grad, bias_grad = ctx.saved_tensors
        return upstream[0] * state_grad, upstream[0] * vector_grad, upstream[0] * bias_grad, None, None, None

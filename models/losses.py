"""Losses over a whole catalogue."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_SCORES_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 27}
"""Scores held at a time. On a CPU 4 MB, which stays in its cache, where all would go through memory."""


def full_softmax_cross_entropy(
    states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, *, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of `targets` under softmax(states @ vectors.T + bias), over every item of the catalogue.

    states   float32 [n, d]; vectors float32 [V, d]; bias float32 [V]
    targets  int64 [n], rows of `vectors`
    weights  float32 [n]; the mean over n is weighted by them
    `smoothing` spreads that part of the target evenly over the V items.

    The gradient is taken chunk by chunk together with the loss, so that the scores [n, V] never exist as a
    whole: exact, and on a CPU three times as fast as the plain formula.
    """
    # In mixed precision, too: a softmax over a catalogue has more small terms than bfloat16 can tell apart.
    with torch.autocast(states.device.type, enabled=False):
        loss: Tensor = _FullSoftmax.apply(states.float(), vectors, bias, targets, weights, smoothing)
    return loss


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
        share = weights / weights.sum().clamp(min=1e-9)
        state_grad = torch.empty_like(states)
        vector_grad = torch.zeros_like(vectors)
        bias_grad = torch.zeros_like(bias)
        loss = states.new_zeros(())
        chunk = max(_SCORES_AT_ONCE.get(states.device.type, 1 << 24) // len(vectors), 16)
        even = smoothing / len(vectors)
        for start in range(0, len(states), chunk):
            part = slice(start, start + chunk)
            wanted, portion = targets[part, None], share[part, None]
            scores = torch.addmm(bias, states[part], vectors.T)  # [chunk, V]
            score_mean = scores.mean(1, keepdim=True) if smoothing else 0.0
            chosen = scores.gather(1, wanted)
            top = scores.amax(1, keepdim=True)
            probabilities = scores.sub_(top).exp_()
            total = probabilities.sum(1, keepdim=True)
            fit = (1.0 - smoothing) * chosen + smoothing * score_mean
            loss += ((total.log() + top - fit) * portion).sum()
            # d loss / d scores = portion × (softmax − smoothed target)
            slope = probabilities.mul_(portion / total)
            if smoothing:
                slope.sub_(portion * even)
            slope.scatter_add_(1, wanted, -portion * (1.0 - smoothing))
            torch.mm(slope, vectors, out=state_grad[part])
            vector_grad.addmm_(slope.T, states[part])
            bias_grad += slope.sum(0)
        ctx.save_for_backward(state_grad, vector_grad, bias_grad)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        state_grad, vector_grad, bias_grad = ctx.saved_tensors
        return upstream[0] * state_grad, upstream[0] * vector_grad, upstream[0] * bias_grad, None, None, None

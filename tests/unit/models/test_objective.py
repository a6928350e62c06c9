"""Negatives are drawn as the correction assumes."""

from __future__ import annotations

import pytest
import torch

from models.losses import full_softmax_cross_entropy
from models.objective import Binary, FullSoftmax, Objective, SampledSoftmax


def test_negatives_are_drawn_by_the_shares_that_the_correction_takes_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[torch.Tensor] = []

    def watched(*args: torch.Tensor, negatives: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
        drawn.append(negatives)
        return args[0].sum()

    monkeypatch.setattr("models.objective.sampled_softmax_cross_entropy", watched)
    torch.manual_seed(0)
    counts = torch.tensor([0.0, 15.0, 255.0, 80.0])
    objective = SampledSoftmax(counts, negatives=100_000)
    objective(torch.zeros(1, 2), torch.zeros(4, 2), torch.zeros(4), torch.zeros(1).long(), torch.ones(1))
    share = torch.bincount(drawn[0], minlength=4) / 100_000
    torch.testing.assert_close(share, objective.log_q.exp(), atol=0.005, rtol=0)
    # (count + 1) ^ .75 is 1, 8, 64, 27.
    torch.testing.assert_close(objective.log_q.exp(), torch.tensor([1.0, 8.0, 64.0, 27.0]) / 100)


@pytest.mark.parametrize(
    "objective",
    [FullSoftmax(smoothing=0.1), SampledSoftmax(torch.rand(50) * 9, negatives=40), Binary(negatives=3)],
)
def test_every_objective_learns_what_follows_what(objective: Objective) -> None:
    torch.manual_seed(0)
    vectors = torch.randn(50, 16, requires_grad=True)
    states, bias = torch.randn(50, 16, requires_grad=True), torch.zeros(50, requires_grad=True)
    targets = torch.randperm(50)
    optimizer = torch.optim.Adam([vectors, states, bias], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        objective(states, vectors, bias, targets, torch.ones(50)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    best = (states @ vectors.T + bias).argmax(1)
    assert (best == targets).float().mean() > 0.95


def test_the_sampled_softmax_is_near_the_full_one() -> None:
    torch.manual_seed(0)
    states, vectors, bias = torch.randn(200, 8), torch.randn(500, 8) / 3, torch.randn(500) / 3
    targets, weights = torch.randint(0, 500, (200,)), torch.ones(200)
    full = full_softmax_cross_entropy(states, vectors, bias, targets, weights)
    objective = SampledSoftmax(torch.randint(0, 100, (500,)).float(), negatives=400)
    losses = torch.stack([objective(states, vectors, bias, targets, weights) for _ in range(20)])
    assert float(losses.mean()) == pytest.approx(float(full), rel=0.01)

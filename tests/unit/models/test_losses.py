"""The full softmax in chunks is the plain formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models import losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scores_at_once", [1 << 20, 700])  # one chunk, many chunks
def test_loss_and_gradients_equal_the_plain_formula(
    monkeypatch: pytest.MonkeyPatch, smoothing: float, scores_at_once: int
) -> None:
    monkeypatch.setitem(losses._SCORES_AT_ONCE, "cpu", scores_at_once)
    torch.manual_seed(0)
    inputs = [torch.randn(50, 8), torch.randn(31, 8), torch.randn(31)]
    targets, weights = torch.randint(0, 31, (50,)), torch.rand(50)
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    plain = [tensor.clone().requires_grad_() for tensor in inputs]

    loss = losses.full_softmax_cross_entropy(*ours, targets, weights, smoothing=smoothing)
    (3.0 * loss).backward()  # a factor, as an upstream gradient
    each = F.cross_entropy(
        plain[0] @ plain[1].T + plain[2], targets, reduction="none", label_smoothing=smoothing
    )
    expected = (each * weights).sum() / weights.sum()
    (3.0 * expected).backward()

    torch.testing.assert_close(loss, expected)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_no_targets_at_all_give_a_loss_of_zero() -> None:
    none = torch.zeros(0, dtype=torch.long)
    loss = losses.full_softmax_cross_entropy(
        torch.zeros(0, 8), torch.randn(5, 8), torch.zeros(5), none, torch.zeros(0)
    )
    assert float(loss) == 0.0

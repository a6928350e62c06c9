"""What is dropped, how much of it, and when."""

from __future__ import annotations

import pytest
import torch

from models.dropout import Dropout


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(p).train()(torch.ones(100, 1_001))
    assert float((dropped == 0).float().mean()) == pytest.approx(p, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.03)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-3)


def test_each_number_is_dropped_for_itself() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5).train()(torch.ones(4_000, 8)) > 0).float() - 0.5
    together = (kept.T @ kept / len(kept)).fill_diagonal_(0.0)  # four numbers come of one draw
    assert float(together.abs().max()) < 0.02  # five standard errors
    assert not torch.equal(kept[:2_000], kept[2_000:])


def test_the_same_seed_drops_the_same_and_the_gradient_goes_where_the_number_went() -> None:
    x = torch.randn(3, 5, 7, requires_grad=True)
    torch.manual_seed(1)
    first = Dropout(0.3).train()(x)
    torch.manual_seed(1)
    torch.testing.assert_close(Dropout(0.3).train()(x), first)
    first.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x, first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_dropped_where_it_serves_or_is_to_drop_nothing(dtype: torch.dtype) -> None:
    x = torch.randn(4, 6).to(dtype)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)
    assert Dropout(0.5).train()(x).dtype == dtype

"""What the encoder may see, and what it must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.attention.scaled_dot_product import ScaledDotProduct
from models.encoder import Encoder, EncoderConfig

LENGTH, WIDTH = 6, 16
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(max_length=LENGTH, width=WIDTH)).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():  # the priors start at 0, where they would change nothing
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return encoder


def _history(*, padding: int = 2, seed: int = 1) -> Inputs:
    torch.manual_seed(seed)
    real = (torch.arange(LENGTH) >= padding)[None]
    item_ids = torch.randint(1, 9, (1, LENGTH)) * real
    types = torch.randint(1, 7, (1, LENGTH)) * real
    deltas = torch.tensor([[900.0, 500.0, 400.0, 60.0, 10.0, 0.0]]) * real
    return torch.randn(1, LENGTH, WIDTH) * real[..., None], item_ids, types, deltas


def test_the_last_position_alone_is_what_the_whole_gives(encoder: Encoder) -> None:
    history = _history()
    whole, weights = encoder(*history, last_only=False)
    last, last_weights = encoder(*history, last_only=True)
    torch.testing.assert_close(last[:, 0], whole[:, -1])
    torch.testing.assert_close(last_weights[:, :, 0], weights[:, :, -1])


def test_later_events_do_not_change_an_earlier_position(encoder: Encoder) -> None:
    items, ids, types, deltas = _history()
    before, _ = encoder(items, ids, types, deltas, last_only=False)
    items, types = items.clone(), types.clone()
    items[:, -1] = 5.0
    types[:, -1] = 1
    after, _ = encoder(items, ids, types, deltas, last_only=False)
    torch.testing.assert_close(after[:, :-1], before[:, :-1])
    assert not torch.allclose(after[:, -1], before[:, -1])


def test_a_position_learns_with_its_own_time_as_now(encoder: Encoder) -> None:
    """The window cut one event earlier, with that event as now, gives the same state for it."""
    items, ids, types, deltas = _history()
    whole, _ = encoder(items, ids, types, deltas, last_only=False)
    earlier = [torch.roll(tensor, 1, dims=1) for tensor in (items, ids, types, deltas)]
    for tensor in earlier:
        tensor[:, 0] = 0
    earlier[3] = (earlier[3] - deltas[:, -2]).clamp(min=0.0)
    cut, _ = encoder(*earlier, last_only=True)
    torch.testing.assert_close(cut[:, 0], whole[:, -2])


def test_what_lies_in_the_padding_changes_nothing(encoder: Encoder) -> None:
    items, ids, types, deltas = _history()
    clean, _ = encoder(items, ids, types, deltas, last_only=True)
    items, types, deltas = items.clone(), types.clone(), deltas.clone()
    items[:, :2], types[:, :2], deltas[:, :2] = 7.0, 3, 1e6
    dirty, weights = encoder(items, ids, types, deltas, last_only=True)
    torch.testing.assert_close(dirty, clean)
    assert not weights[..., :2].any()


@pytest.mark.parametrize("what", ["types", "times"])
def test_types_and_times_are_seen(encoder: Encoder, what: str) -> None:
    items, ids, types, deltas = _history()
    before, _ = encoder(items, ids, types, deltas, last_only=True)
    if what == "types":
        types = torch.where(ids > 0, types % 6 + 1, 0)
    else:
        deltas = deltas * 50
    after, _ = encoder(items, ids, types, deltas, last_only=True)
    assert not torch.allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_row_that_may_attend_to_nothing_is_zeros(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    attention = ScaledDotProduct(width=8, heads=2).to(dtype)
    x = torch.randn(2, 3, 8, dtype=dtype)
    allowed = torch.tensor([0.0, 1.0], dtype=dtype)[:, None, None, None].expand(2, 1, 3, 3)
    mixed, weights = attention(x, x, allowed, None)
    assert not weights[0].any()
    torch.testing.assert_close(weights[1].sum(-1), torch.ones(2, 3, dtype=dtype), atol=1e-3, rtol=0)
    assert torch.isfinite(mixed).all()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="cannot be cut into 3 heads"):
        ScaledDotProduct(width=8, heads=3)

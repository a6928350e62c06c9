"""What the encoder may see, and what it must not."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from models.encoder import Encoder
from models.encoder_config import Attention, EncoderConfig

LENGTH, WIDTH = 6, 16
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(params=get_args(Attention))
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """One with each attention of the family."""
    return _moved(EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2, attention=request.param))


def _moved(config: EncoderConfig) -> Encoder:
    """One that has learnt something: the priors start at 0, where they would change nothing."""
    torch.manual_seed(0)
    encoder = Encoder(config).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return encoder


def _without_newest(history: Inputs, *, now: Tensor) -> Inputs:
    """The window cut one event earlier, `now` [batch] seconds before the moment that the deltas are from."""
    items, ids, types, deltas = (torch.roll(tensor, 1, dims=1) for tensor in history)
    for tensor in (items, ids, types, deltas):
        tensor[:, 0] = 0
    return items, ids, types, (deltas - now).clamp(min=0.0)


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
    torch.testing.assert_close(last_weights, weights)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_it_is_finite_in_half_precision(encoder: Encoder, precision: torch.dtype) -> None:
    """As a fit computes on a GPU: what half precision can hold is left to autocast."""
    items, ids, types, deltas = _history()
    ages = deltas * 17_000  # up to 177 days in seconds: far more than float16 can hold
    with torch.autocast("cpu", dtype=precision):
        states, weights = encoder(items * 8, ids, types, ages, last_only=False)
    assert torch.isfinite(states).all() and torch.isfinite(weights).all()
    states.float().square().mean().backward()
    assert all(part.grad is None or torch.isfinite(part.grad).all() for part in encoder.parameters())
    exact, _ = encoder(items * 8, ids, types, ages, last_only=False)
    torch.testing.assert_close(
        states.float()[:, -1], exact[:, -1], rtol=0.1, atol=0.1 * float(exact.detach().abs().max())
    )


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
    history = _history()
    whole, _ = encoder(*history, last_only=False)
    cut, _ = encoder(*_without_newest(history, now=history[3][:, -2]), last_only=True)
    torch.testing.assert_close(cut[:, 0], whole[:, -2])


def test_with_the_target_s_query_time_the_next_event_s_time_is_now() -> None:
    """The window cut after an event, asked when the next one came, gives the same state for it."""
    encoder = _moved(EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2, query_time="target"))
    items, ids, types, deltas = _history()
    deltas = (deltas + 30.0) * (ids > 0)  # half a minute later the target came
    history = items, ids, types, deltas
    whole, _ = encoder(*history, last_only=False)
    last, _ = encoder(*history, last_only=True)
    torch.testing.assert_close(last[:, 0], whole[:, -1])
    cut, _ = encoder(*_without_newest(history, now=deltas[:, -1]), last_only=True)
    torch.testing.assert_close(cut[:, 0], whole[:, -2])


@pytest.mark.parametrize("queries", [1, 2, 4])
def test_queries_may_be_taken_some_at_a_time(
    encoder: Encoder, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = _history()
    whole, weights = encoder(*history, last_only=False)
    last, _ = encoder(*history, last_only=True)
    monkeypatch.setattr("models.pairs.STRIPE", queries)
    striped, striped_weights = encoder(*history, last_only=False)
    torch.testing.assert_close(striped, whole)
    torch.testing.assert_close(striped_weights, weights)
    torch.testing.assert_close(encoder(*history, last_only=True)[0], last)


def test_padding_may_be_cut_off(encoder: Encoder) -> None:
    history = _history(padding=2)
    whole, weights = encoder(*history, last_only=False)
    cut, cut_weights = encoder(*(tensor[:, 2:] for tensor in history), last_only=False)
    torch.testing.assert_close(cut, whole[:, 2:])
    torch.testing.assert_close(cut_weights, weights[..., 2:])


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


def test_another_attention_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="no attention 'linear'; there are scaled-dot-product"):
        Encoder(EncoderConfig(attention="linear"))  # type: ignore[arg-type]


def _with_context() -> Encoder:
    return _moved(EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2, context=("device",)))


def test_each_position_has_the_moment_of_its_own_event() -> None:
    encoder, history = _with_context(), _history()
    moments = torch.stack([torch.arange(1, LENGTH + 1), torch.full((LENGTH,), 2), torch.arange(LENGTH)], -1)[
        None
    ]
    whole, _ = encoder(*history, moments, last_only=False)
    last, _ = encoder(*history, moments[:, -1:], last_only=True)
    torch.testing.assert_close(last[:, 0], whole[:, -1])
    later = moments.clone()
    later[:, -1] = torch.tensor([20, 7, 99])
    changed, _ = encoder(*history, later, last_only=False)
    torch.testing.assert_close(changed[:, :-1], whole[:, :-1])
    assert not torch.allclose(changed[:, -1], whole[:, -1], atol=1e-3)


def test_an_absent_field_adds_nothing() -> None:
    encoder, history = _with_context(), _history()
    hour_alone = torch.tensor([[[5, 3, 0]]])
    before, _ = encoder(*history, hour_alone, last_only=True)
    with torch.no_grad():
        assert encoder.context_fusion is not None and encoder.context_fusion.field is not None
        encoder.context_fusion.field.weight[0] = 9.0
    after, _ = encoder(*history, hour_alone, last_only=True)
    torch.testing.assert_close(after, before)


def test_a_moment_changes_nothing_before_it_is_learnt() -> None:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2, context=())).eval()
    morning, night = (
        encoder(*_history(), torch.tensor([[[hour, 1]]]), last_only=True)[0] for hour in (9, 23)
    )
    torch.testing.assert_close(morning, night)


def test_a_context_that_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="made with a context"):
        _with_context()(*_history(), last_only=True)

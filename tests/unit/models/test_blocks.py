"""What surrounds the attention, done by hand: the bias for places and times, LiGR's block and HSTU's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from models.attention.scaled_dot_product import ScaledDotProduct
from models.blocks.gated_residual import GatedResidualBlock
from models.blocks.pointwise import PointwiseBlock
from models.blocks.relative_bias import LOG_SCALE, RelativeBias
from models.pairs import Stripe, causal_stripes

# Of one event, [1, 1, 2]: its mean is 2 and its standard deviation 1, so that a norm makes it [−1, 1].
EVENT = torch.tensor([[[1.0, 3.0]]])
ITSELF = causal_stripes(torch.ones(1, 1), torch.zeros(1, 1), timed=True)


def _silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def _set(layer: nn.Module, *, weight: Tensor | float = 0.0, bias: list[float] | None = None) -> None:
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight).expand_as(layer.weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))


def test_relative_bias_by_hand() -> None:
    bias = RelativeBias(heads=2, max_length=3, timed=True)
    with torch.no_grad():
        bias.distance_prior.copy_(torch.tensor([[0.0, 1.0, 4.0], [0.0, -1.0, -2.0]]))
        bias.time_slope[0], bias.time_curve[0] = 2.0, 0.5
    # Key to query in logarithms of seconds; 10 is one after scaling: 1 (2 + .5) = 2.5, and 2 (2 + 1) = 6.
    assert LOG_SCALE == 0.1
    elapsed = torch.tensor([[[[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [20.0, 10.0, 0.0]]]])
    places = slice(0, 3)
    found = bias(Stripe(places, places, torch.ones(3, 3).tril()[None, None], elapsed)).detach()
    assert found.shape == (1, 2, 3, 3)
    by_hand = [[0.0, None, None], [1 + 2.5, 0.0, None], [4 + 6.0, 1 + 2.5, 0.0]]  # None: a key to come
    for query, row in enumerate(by_hand):
        for key, value in enumerate(row):
            if value is not None:
                assert float(found[0, 0, query, key]) == pytest.approx(value)
    assert found[0, 1, 2].tolist() == [-2.0, -1.0, 0.0]  # the other head knows places alone
    newest = bias(Stripe(slice(2, 3), places, torch.ones(1, 1, 1, 3), elapsed[:, :, 2:]))
    torch.testing.assert_close(newest, found[:, :, 2:])


def test_gated_residual_block_by_hand() -> None:
    block = GatedResidualBlock(ScaledDotProduct, width=2, heads=1, max_length=1, dropout=0.0, timed=False)
    # One event looks at itself alone: what is mixed is its value, here its norm, [−1, 1].
    _set(block.attention.key_value, weight=torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 1]]))
    _set(block.attention.output, weight=torch.eye(2), bias=[0.0, 0.0])
    _set(block.attention_gate, bias=[0.0, 0.0])  # half open
    _set(block.forward_layer[2], bias=[2.0, -4.0])
    _set(block.forward_gate, bias=[math.log(3.0)] * 2)  # three quarters open
    # [1, 3] + ½ [−1, 1] = [.5, 3.5]; + ¾ [2, −4] = [2, .5].
    state, weights = block(EVENT, ITSELF)
    assert weights.tolist() == [[[[1.0]]]]
    torch.testing.assert_close(state, torch.tensor([[[2.0, 0.5]]]), atol=1e-4, rtol=0)


def test_pointwise_block_by_hand() -> None:
    block = PointwiseBlock(width=2, heads=1, max_length=4, dropout=0.0)
    _set(block.gate_query, bias=[1.0, 1.0, 2.0, 0.0])  # before SiLU: u = [1, 1], q = [2, 0]
    _set(block.key_value, bias=[1.0, 0.0, 3.0, -1.0])  # k = [1, 0], v = [3, −1]
    _set(block.output, weight=torch.eye(2), bias=[0.0, 0.0])
    state, weights = block(EVENT, ITSELF)
    # SiLU(q k) over the 4 places that there can be.
    assert float(weights.detach()) == pytest.approx(_silu(_silu(2.0) * _silu(1.0)) / 4, rel=1e-5)
    # v times a weight above 0, of which the norm makes [1, −1], times u: [1, 3] + SiLU(1) [1, −1].
    expected = torch.tensor([[[1 + _silu(1.0), 3 - _silu(1.0)]]])
    torch.testing.assert_close(state, expected, atol=1e-3, rtol=0)

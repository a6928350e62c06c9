"""What holds for every mechanism, and each one's arithmetic done by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.attention.additive import Additive
from models.attention.gated import Gated
from models.attention.hard import Hard
from models.attention.multi_head import MultiHead
from models.attention.pointwise import Pointwise
from models.attention.scaled_dot_product import ScaledDotProduct
from models.pairs import Stripe, causal_stripes, newest_stripe

Make = Callable[[int], nn.Module]
NORMALISED: tuple[Make, ...] = (ScaledDotProduct, Additive, Gated, Hard)
ALL: tuple[Make, ...] = (*NORMALISED, Pointwise)

Q = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
K = torch.tensor([[5.0, 6.0], [7.0, 8.0]])
V = torch.tensor([[9.0, 10.0], [11.0, 12.0]])
NO_PRIOR = torch.zeros(1, 1, 1, 1)


def _weights(mechanism: nn.Module, queries: Tensor = Q, keys: Tensor = K) -> Tensor:
    """Of one head and one history in which everything may be seen, [Q, L]."""
    everything = torch.ones(1, 1, len(queries), len(keys))
    answer: Tensor = mechanism(queries[None, None], keys[None, None], everything, NO_PRIOR)
    return answer[0, 0]


def test_scaled_dot_product_by_hand() -> None:
    # QKᵀ = [[1·5 + 2·6, 1·7 + 2·8], [3·5 + 4·6, 3·7 + 4·8]] = [[17, 23], [39, 53]], divided by √2.
    # Softmax of two is the sigmoid of their difference: 6 / √2 and 14 / √2.
    first, second = (1 / (1 + math.exp(-difference / math.sqrt(2))) for difference in (6.0, 14.0))
    expected = torch.tensor([[1 - first, first], [1 - second, second]])
    weights = _weights(ScaledDotProduct(2))
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)
    # Mixed: 9 + 2 w and 10 + 2 w, w the second weight; .985834 and .999950.
    torch.testing.assert_close(
        weights @ V, torch.tensor([[10.971668, 11.971668], [10.999899, 11.999899]]), atol=1e-5, rtol=0
    )


def test_additive_by_hand() -> None:
    mechanism = Additive(2)
    with torch.no_grad():
        mechanism.query.weight.copy_(torch.eye(2) / 10)
        mechanism.key.weight.copy_(-torch.eye(2) / 10)
        mechanism.key.bias.zero_()
        mechanism.score.weight.copy_(torch.tensor([[1.0, 2.0]]))
    # (q − k) / 10 is [−.4, −.4] and [−.6, −.6] for the first query, [−.2, −.2] and [−.4, −.4] for the second;
    # vᵀtanh is 3 tanh of it.
    scores = [[3 * math.tanh(-0.4), 3 * math.tanh(-0.6)], [3 * math.tanh(-0.2), 3 * math.tanh(-0.4)]]
    expected = torch.tensor(
        [
            [math.exp(a) / (math.exp(a) + math.exp(b)), math.exp(b) / (math.exp(a) + math.exp(b))]
            for a, b in scores
        ]
    )
    torch.testing.assert_close(_weights(mechanism), expected, atol=1e-6, rtol=1e-5)


def test_gated_by_hand() -> None:
    # Products of [[.5, 0]] with [[2, 0], [0, 1], [−4, 0]]: 1, 0, −2; their sigmoids .731059, .5, .119203.
    weights = _weights(
        Gated(2), torch.tensor([[0.5, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [-4.0, 0.0]])
    )
    parts = [math.exp(0.7310586), math.exp(0.5), math.exp(0.1192029)]
    torch.testing.assert_close(weights, torch.tensor([parts]) / sum(parts), atol=1e-6, rtol=1e-5)


def test_hard_by_hand() -> None:
    # 23 > 17 and 53 > 39: the second key, for both.
    weights = _weights(Hard(2).eval())
    assert weights.tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert (weights @ V).tolist() == [[11.0, 12.0], [11.0, 12.0]]


def test_hard_takes_the_first_of_equals() -> None:
    weights = _weights(Hard(2).eval(), Q[:1], torch.cat([K[1:], K[1:], K[:1]]))
    assert weights.tolist() == [[1.0, 0.0, 0.0]]


def test_pointwise_by_hand() -> None:
    # Products 1, 0, −2; SiLU(x) = x sigmoid(x): .731059, 0, −.238406; divided by the three places.
    weights = _weights(
        Pointwise(3), torch.tensor([[0.5, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [-4.0, 0.0]])
    )
    expected = torch.tensor([[0.7310586 / 3, 0.0, -2 * 0.1192029 / 3]])
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)


@st.composite
def _situations(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys, a mask of any pattern, and a prior."""
    heads, asked, length, width = (draw(st.integers(1, top)) for top in (3, 4, 5, 6))
    random = torch.Generator().manual_seed(draw(st.integers(0, 1 << 16)))
    scale = draw(st.sampled_from([0.0, 1.0, 30.0]))
    queries = torch.randn(2, heads, asked, width, generator=random) * scale
    keys = torch.randn(2, heads, length, width, generator=random)
    allowed = (
        torch.rand(2, 1, asked, length, generator=random) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    ).float()
    return queries, keys, allowed, torch.randn(2, heads, asked, length, generator=random)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", ALL)
@given(situation=_situations())
def test_nothing_goes_to_what_is_masked(
    make: Make, training: bool, situation: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    queries, keys, allowed, prior = situation
    weights = make(keys.shape[-1]).train(training)(queries, keys, allowed, prior)
    assert weights.shape == prior.shape
    assert not weights[(allowed == 0).expand_as(weights)].any()
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize("make", NORMALISED)
@given(situation=_situations())
def test_weights_are_a_distribution_or_zeros(
    make: Make, situation: tuple[Tensor, Tensor, Tensor, Tensor]
) -> None:
    queries, keys, allowed, prior = situation
    weights = make(keys.shape[-1]).eval()(queries, keys, allowed, prior)
    assert (weights >= 0).all()
    any_left = (allowed.sum(-1) > 0).float().expand(weights.shape[:-1])
    torch.testing.assert_close(weights.sum(-1), any_left, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", ALL)
def test_it_is_finite_in_half_precision(make: Make) -> None:
    torch.manual_seed(0)
    queries, keys = (torch.randn(3, 2, 4, 8).half() * 8 for _ in range(2))
    allowed = torch.tensor([0.0, 1.0, 1.0])[:, None, None, None].expand(3, 1, 4, 4).tril().half()
    weights = make(8).half().eval()(queries, keys, allowed, torch.randn(3, 2, 4, 4).half())
    assert torch.isfinite(weights).all()
    assert not weights[0].any()


@pytest.mark.parametrize("make", ALL)
def test_gradients_reach_queries_keys_prior_and_parameters(make: Make) -> None:
    torch.manual_seed(0)
    mechanism = make(4).train()
    inputs = [torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 3)]
    queries, keys, prior = (tensor.requires_grad_() for tensor in inputs)
    values = torch.randn(1, 2, 3, 4)
    (mechanism(queries, keys, torch.ones(1, 1, 3, 3), prior) @ values).square().sum().backward()
    for tensor in (queries, keys, prior, *mechanism.parameters()):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all() and tensor.grad.abs().sum() > 0


def test_hard_attention_learns_with_the_gradient_of_the_soft_one() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(1, 1, 3, 4), torch.randn(1, 1, 5, 4), torch.ones(1, 1, 3, 5), torch.randn(1, 1, 3, 5)
    values = torch.randn(1, 1, 5, 4)
    slopes = []
    for mechanism in (Hard(4), ScaledDotProduct(4)):
        queries = inputs[0].clone().requires_grad_()
        weights = mechanism.train()(queries, *inputs[1:])
        (weights @ values).sum().backward()
        slopes.append(queries.grad)
    torch.testing.assert_close(slopes[0], slopes[1])
    assert set(Hard(4).train()(*inputs).round(decimals=5).flatten().tolist()) == {0.0, 1.0}


def _no_prior(stripe: Stripe) -> Tensor:
    return torch.zeros(1, 1, 1, 1)


@pytest.mark.parametrize("length", [1, 7, 130])
def test_several_heads_are_torchs_own(length: int) -> None:
    """Whole and for the newest alone, whose projections are taken the other way round."""
    torch.manual_seed(0)
    ours, theirs = (
        MultiHead(ScaledDotProduct, width=8, heads=2),
        nn.MultiheadAttention(8, 2, batch_first=True),
    )
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.zeros(16)]))
    theirs.out_proj = ours.output  # type: ignore[assignment]
    x, real = torch.randn(2, length, 8), torch.ones(2, length)
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    expected, looked = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)
    mixed, weights = ours(x, causal_stripes(real, torch.zeros_like(real), timed=False), _no_prior)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(weights, looked[:, :, -1:])
    newest, its_weights = ours(x, newest_stripe(real, torch.zeros_like(real), timed=False), _no_prior)
    torch.testing.assert_close(newest, expected[:, -1:])
    torch.testing.assert_close(its_weights, weights)


@pytest.mark.parametrize("make", NORMALISED)
def test_heads_see_a_part_of_the_width_each(make: Make) -> None:
    torch.manual_seed(0)
    attention = MultiHead(make, width=8, heads=2).eval()
    x, real = torch.randn(2, 30, 8), torch.ones(2, 30)
    newest = newest_stripe(real, torch.zeros_like(real), timed=False)
    mixed, weights = attention(x, newest, _no_prior)
    assert mixed.shape == (2, 1, 8) and weights.shape == (2, 2, 1, 30)
    assert not torch.allclose(weights[:, 0], weights[:, 1])


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="cannot be cut into 3 heads"):
        MultiHead(ScaledDotProduct, width=8, heads=3)

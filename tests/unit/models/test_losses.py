"""Each loss is its plain formula, and a dislike counts against."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models import losses


@pytest.mark.parametrize("with_dislikes", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scores_at_once", [1 << 20, 700])  # one chunk, many chunks
def test_loss_and_gradients_equal_the_plain_formula(
    monkeypatch: pytest.MonkeyPatch, smoothing: float, scores_at_once: int, with_dislikes: bool
) -> None:
    monkeypatch.setitem(losses._SCORES_AT_ONCE, "cpu", scores_at_once)
    monkeypatch.setattr(losses, "_LEAST_ROWS", 16)
    torch.manual_seed(0)
    inputs = [torch.randn(50, 8), torch.randn(31, 8), torch.randn(31)]
    targets, weights = torch.randint(0, 31, (50,)), torch.rand(50)
    if with_dislikes:
        weights[::3] *= -1.0
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    plain = [tensor.clone().requires_grad_() for tensor in inputs]

    loss = losses.full_softmax_cross_entropy(*ours, targets, weights, smoothing=smoothing)
    (3.0 * loss).backward()  # a factor, as an upstream gradient
    scores = plain[0] @ plain[1].T + plain[2]
    liked = F.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)
    disliked = -torch.log(1.0 - torch.softmax(scores, 1).gather(1, targets[:, None])[:, 0])
    each = torch.where(weights < 0, disliked, liked)
    expected = (each * weights.abs()).sum() / weights.abs().sum()
    (3.0 * expected).backward()

    torch.testing.assert_close(loss, expected)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_target_too_improbable_for_a_float_has_its_whole_loss_and_gradient() -> None:
    states, vectors = torch.tensor([[1.0], [0.0]]), torch.tensor([[200.0], [0.0]], requires_grad=True)
    bias = torch.zeros(2)
    loss = losses.full_softmax_cross_entropy(states, vectors, bias, torch.tensor([1, 1]), torch.ones(2))
    loss.backward()
    assert loss.item() == pytest.approx((200 + 0.693147) / 2)  # −log p = 200 and log 2
    assert vectors.grad is not None and vectors.grad[:, 0].tolist() == [0.5, -0.5]


def test_no_targets_at_all_give_a_loss_of_zero() -> None:
    none = torch.zeros(0, dtype=torch.long)
    loss = losses.full_softmax_cross_entropy(
        torch.zeros(0, 8), torch.randn(5, 8), torch.zeros(5), none, torch.zeros(0)
    )
    assert float(loss) == 0.0


def test_a_dislike_lowers_its_item_and_lifts_the_others() -> None:
    vectors, bias = torch.eye(3), torch.zeros(3, requires_grad=True)
    states, target = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])
    losses.full_softmax_cross_entropy(states, vectors, bias, target, torch.tensor([-1.0])).backward()
    assert bias.grad is not None
    slope = bias.grad.tolist()
    assert slope[0] > 0 and slope[1] < 0 and slope[2] < 0  # a step goes against the slope
    # Scores 2, 0, 0: p = e² / (e² + 2) = .786986; the slope is its odds × (1 − p) = p.
    assert slope[0] == pytest.approx(0.786986, abs=1e-5)


def test_a_disliked_item_of_probability_one_costs_a_finite_loss() -> None:
    states = torch.tensor([[1e4, 0.0]], requires_grad=True)
    loss = losses.full_softmax_cross_entropy(
        states, torch.eye(2), torch.zeros(2), torch.tensor([0]), torch.tensor([-1.0])
    )
    loss.backward()
    assert torch.isfinite(loss) and states.grad is not None and torch.isfinite(states.grad).all()


@pytest.mark.parametrize("with_dislikes", [False, True])
def test_negatives_drawn_as_often_as_they_should_be_give_the_full_softmax(with_dislikes: bool) -> None:
    torch.manual_seed(0)
    often = torch.tensor([4, 2, 1, 1])  # of eight draws, the mean of what happens
    states, vectors, bias = torch.randn(6, 5), torch.randn(4, 5), torch.randn(4)
    targets, weights = torch.tensor([0, 1, 2, 3, 0, 1]), torch.rand(6)
    if with_dislikes:
        weights[0] *= -1.0
    full = losses.full_softmax_cross_entropy(states, vectors, bias, targets, weights)
    sampled = losses.sampled_softmax_cross_entropy(
        states,
        vectors,
        bias,
        targets,
        weights,
        negatives=torch.repeat_interleave(torch.arange(4), often),
        log_q=(often / 8).log(),
    )
    torch.testing.assert_close(sampled, full)


def test_the_sampled_sum_is_right_in_the_mean() -> None:
    """With q of its own, not the items' true share: 4,000 draws of 8 negatives each."""
    torch.manual_seed(0)
    q = torch.softmax(torch.randn(20), 0)
    states, vectors, bias, target = torch.randn(1, 4), torch.randn(20, 4), torch.randn(20), torch.tensor([3])
    one = torch.ones(1)
    sums = [
        losses.sampled_softmax_cross_entropy(
            states,
            vectors,
            bias,
            target,
            one,
            negatives=torch.multinomial(q, 8, replacement=True),
            log_q=q.log(),
        ).exp()
        for _ in range(4000)
    ]
    exact = losses.full_softmax_cross_entropy(states, vectors, bias, target, one).exp()
    assert float(torch.stack(sums).mean()) == pytest.approx(float(exact), rel=0.05)


def test_binary_by_hand() -> None:
    # Scores: target 1, negatives 2 and 0: −log σ(1) = .313262, −log σ(−2) = 2.126928, −log σ(0) = .693147.
    states, vectors = torch.tensor([[1.0]]), torch.tensor([[1.0], [2.0], [0.0]])

    def loss(weight: float, negatives: list[int]) -> float:
        return float(
            losses.binary_cross_entropy(
                states,
                vectors,
                torch.zeros(3),
                torch.tensor([0]),
                torch.tensor([weight]),
                negatives=torch.tensor([negatives]),
            )
        )

    assert loss(1.0, [1, 2]) == pytest.approx(0.313262 + (2.126928 + 0.693147) / 2, abs=1e-5)
    assert loss(1.0, [0, 2]) == pytest.approx(0.313262 + 0.693147 / 2, abs=1e-5)
    assert loss(-1.0, [1, 2]) == pytest.approx(1.313262, abs=1e-5)  # −log σ(−1)

"""Networks over vectors of users and items: what both have in common, and each network by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from stream_app.domain.history import HEADER_BYTES
from tests.unit.training.logs import histories_of, log_of, names_of
from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable, Probabilistic
from training.interactions import Interactions
from training.rivals.attention_cf import AttentionCF, AttentionCFNetwork
from training.rivals.negative_sampling import TakenPairs, labelled
from training.rivals.neumf import NeuMF, NeuMFNetwork
from training.rivals.pair_config import PairFit

Rival = NeuMF | AttentionCF
Maker = Callable[..., Rival]

_QUICK = PairFit(width=16, epochs=40, batch=128, rate=0.02, spread=0.3, decay=0.02)


def _neumf(*, seed: int = 0) -> NeuMF:
    return NeuMF(hidden=(8, 4), config=_QUICK, seed=seed)


def _attention_cf(*, seed: int = 0) -> AttentionCF:
    return AttentionCF(heads=4, hidden=32, config=_QUICK, seed=seed)


BOTH = pytest.mark.parametrize("make", [_neumf, _attention_cf])


def _two_tastes() -> Interactions:
    """40 users take half of twelve letters, 40 others half of twelve digits; who is new takes "?" alone."""
    random = np.random.default_rng(0)
    events = [
        (f"u{user}", str(item), "view", 0)
        for user in range(80)
        for item in random.permutation(list(LETTERS if user < 40 else DIGITS))[:6]
    ]
    return log_of([*events, ("new", "?", "view", 0), ("newer", "?", "view", 0)])


LETTERS, DIGITS = "abcdefghijkl", "0123456789+-"
LOG = _two_tastes()
TRAINING = LOG.part(0, 480)
NEW, NEWER = 80, 81
KNOWN = np.arange(24, dtype=np.int32)
"""The items that train."""


@cache
def _fitted(make: Maker, seed: int = 0) -> Rival:
    return _fitted_anew(make, seed)


def _fitted_anew(make: Maker, seed: int = 0) -> Rival:
    rival = make(seed=seed)
    rival.fit(TRAINING)
    return rival


def _histories() -> Histories:
    """Two users who trained, the second with a history that is not what trained; two who did not."""
    own = [LOG.items[code] for code in TRAINING.item[TRAINING.user == 0]]
    return histories_of(LOG, own, "0", "abcd", "01234", users=[0, 1, NEW, NEWER])


@BOTH
def test_the_items_of_ones_own_taste_come_first(make: Maker) -> None:
    lists = names_of(LOG, _fitted(make).recommend(_histories(), k=4))
    for row, taste in enumerate((LETTERS, LETTERS, LETTERS, DIGITS)):
        assert set(lists[row]) <= set(taste)


@BOTH
def test_probabilities_tell_tastes_apart_and_rank_alike(make: Maker) -> None:
    rival = _fitted(make)
    assert isinstance(rival, Probabilistic)
    histories = _histories()
    probable = rival.probabilities(histories, np.tile(KNOWN, (4, 1)))
    assert probable.dtype == np.float64 and probable.shape == (4, 24)
    assert (probable > 0).all() and (probable < 1).all()
    is_letter = np.array([LOG.items[code] in LETTERS for code in KNOWN])
    for row, letters in enumerate((True, True, True, False)):
        own, other = probable[row, is_letter == letters], probable[row, is_letter != letters]
        assert own.mean() > 3 * other.mean()
    lists = rival.recommend(histories, k=24)
    for row in range(4):
        codes = lists[row][lists[row] >= 0]
        assert len(codes) == 24 - len(histories.item[row])
        assert (np.diff(probable[row, codes]) <= 1e-6).all()


@BOTH
def test_an_item_that_did_not_train_has_a_probability_and_is_not_recommended(
    make: Maker,
) -> None:
    rival = _fitted(make)
    unknown = LOG.items.index("?")
    probable = rival.probabilities(_histories(), np.full((4, 1), unknown, dtype=np.int32))
    assert ((probable > 0) & (probable < 1)).all()
    assert unknown not in rival.recommend(_histories(), k=30)


@BOTH
def test_a_new_user_of_whom_nothing_is_known_gets_what_most_like(make: Maker) -> None:
    rival = _fitted(make)
    unknown = histories_of(LOG, "?", "?", users=[NEW, NEWER])
    empty = replace(unknown, records=[unknown.records[0][:HEADER_BYTES], unknown.records[1]])
    lists = rival.recommend(empty, k=24)
    assert (lists[0] == lists[1]).all()
    assert sorted(lists[0].tolist()) == KNOWN.tolist()


@BOTH
def test_the_same_seed_gives_the_same_model_and_another_another(make: Maker) -> None:
    items = np.tile(KNOWN, (4, 1))
    first, again, other = (
        rival.probabilities(_histories(), items)
        for rival in (_fitted(make), _fitted_anew(make), _fitted_anew(make, seed=2))
    )
    assert (first == again).all()
    assert not np.allclose(first, other)


@BOTH
def test_a_fit_leaves_the_random_numbers_of_others_alone(make: Maker) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    make().fit(LOG.part(0, 2))
    assert (torch.rand(3) == expected).all()


@BOTH
def test_who_else_is_asked_about_changes_nothing(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    rival = _fitted(make)
    histories = _histories()
    items = np.tile(KNOWN, (4, 1))
    lists, probable = rival.recommend(histories, k=8), rival.probabilities(histories, items)
    order = np.array([3, 0, 2, 1])
    assert (rival.recommend(histories.some(order), k=8) == lists[order]).all()
    np.testing.assert_allclose(rival.probabilities(histories.some(order), items), probable[order], rtol=1e-4)
    for place in range(4):
        assert (rival.recommend(histories.one(place), k=8) == lists[place]).all()
    monkeypatch.setattr("training.rivals.blocks.CELLS", 1)
    monkeypatch.setattr("training.rivals.pair_answers._FOLDED_AT_ONCE", 1)
    assert (rival.recommend(histories, k=8) == lists).all()


@BOTH
def test_one_user_and_one_item_leave_nothing_to_recommend(make: Maker) -> None:
    log = log_of([("u", "a", "view", 0), ("v", "a", "view", 0)])
    rival = make()
    rival.fit(log.part(0, 1))
    histories = histories_of(log, "a", "a")
    assert rival.recommend(histories, k=10).tolist() == [[-1] * 10] * 2
    assert np.isfinite(rival.probabilities(histories, np.zeros((2, 1), dtype=np.int32))).all()


@BOTH
def test_an_empty_log_does_not_apply(make: Maker) -> None:
    with pytest.raises(NotApplicable, match="no events"):
        make().fit(LOG.part(0, 0))


def test_neumf_is_a_product_and_a_perceptron_over_both_vectors() -> None:
    torch.manual_seed(0)
    network = NeuMFNetwork(width=6, hidden=(5, 4))
    users, items = torch.randn(2, 3, 6), torch.randn(2, 7, 6)
    first = nn.Linear(6, 5)
    with torch.no_grad():
        first.weight[:] = torch.cat([network.of_user.weight, network.of_item.weight], dim=1)
        first.bias[:] = network.of_user.bias
    for group, m, c in np.ndindex(2, 3, 7):
        user, item = users[group, m], items[group, c]
        deep = network.of_pair(first(torch.cat([user[3:], item[3:]])))
        expected = network.of_product(user[:3] * item[:3]) + deep
        torch.testing.assert_close(network(users, items)[group, m, c], expected[0])


def test_attention_cf_is_torchs_attention_over_two_tokens() -> None:
    torch.manual_seed(0)
    network = AttentionCFNetwork(width=8, heads=2, hidden=5)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        attention.in_proj_weight[:] = network.query_key_value.weight
        attention.in_proj_bias[:] = network.query_key_value.bias
        attention.out_proj.weight[:] = torch.eye(8)
        attention.out_proj.bias[:] = 0.0
    users, items = torch.randn(2, 3, 8), torch.randn(2, 7, 8)
    logits = network(users, items)
    for group, m, c in np.ndindex(2, 3, 7):
        tokens = torch.stack([users[group, m], items[group, c]])[None]
        attended, _ = attention(tokens, tokens, tokens)
        torch.testing.assert_close(logits[group, m, c], network.of_pair(attended.flatten())[0])


def test_a_drawn_item_that_was_taken_counts_nothing() -> None:
    pairs = TakenPairs(np.array([0, 0, 1, 0]), np.array([1, 3, 2, 1]), items=5)
    assert len(pairs) == 3
    user = np.array([0, 1], dtype=np.int32)
    positive = np.array([[1], [2]], dtype=np.int32)
    drawn = np.array([[0, 3, 4], [3, 2, 2]], dtype=np.int32)
    batch = labelled(pairs, user, positive, drawn)
    assert batch.item.tolist() == [[1, 0, 3, 4], [2, 3, 2, 2]]
    assert batch.label.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]
    assert batch.weight.tolist() == [[1, 1, 0, 1], [1, 1, 0, 0]]
    # Of logits 0 each pair that counts costs ln 2.
    assert batch.cross_entropy(torch.zeros(2, 4)).item() == pytest.approx(5 * np.log(2))

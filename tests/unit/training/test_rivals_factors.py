"""Matrix factorisation: of what was taken, and of ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream_app.domain.history import HEADER_BYTES
from tests.unit.training.logs import START_MS, histories_of, log_of, names_of
from training.evaluation.recommender import NotApplicable, Rater, Recommender
from training.interactions import Interactions
from training.rivals.als import ALS
from training.rivals.biased_mf import BiasedMF
from training.rivals.least_squares import solve_rows
from training.rivals.sparse import matrix_of, taken


def _two_tastes() -> Interactions:
    """Ten users take five of the letters, ten others five of the digits; "z" is in the log's end alone."""
    events = []
    for user in range(20):
        items = "abcdef" if user < 10 else "123456"
        events += [(f"u{user}", item, "view", 0) for place, item in enumerate(items) if place != user % 6]
    return log_of([*events, ("new", "z", "view", 0)])


def _trained(log: Interactions) -> Interactions:
    return log.part(0, len(log) - 1)


def _rated(ratings: np.ndarray, *, noise: float = 0.0, hidden: float = 0.0, seed: int = 0) -> Interactions:
    """Everyone rates everything, but for a share that is hidden (NaN), in an order drawn by lot."""
    random = np.random.default_rng(seed)
    user, item = (part.ravel() for part in np.indices(ratings.shape))
    values = (ratings + noise * random.normal(size=ratings.shape)).ravel()
    values[random.random(len(values)) < hidden] = np.nan
    order = random.permutation(len(values))
    return Interactions(
        users=tuple(f"u{code}" for code in range(len(ratings))),
        items=tuple(f"i{code}" for code in range(ratings.shape[1])),
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        type_code=np.ones(len(values), dtype=np.uint8),
        timestamp_ms=np.full(len(values), START_MS, dtype=np.int64),
        rating=values[order].astype(np.float32),
    )


def test_a_row_is_the_ridge_regression_of_what_it_holds() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(7, 3)).astype(np.float32)
    targets = matrix_of(np.array([0, 0, 0, 2, 2]), np.array([1, 4, 6, 0, 1]), shape=(3, 7))
    targets.data[:] = random.normal(size=5)
    common = (vectors.T @ vectors) * np.float32(0.3)
    ridge = np.array([0.5, 1.0, 2.0])
    solved = solve_rows(targets, vectors, ridge=ridge, everywhere=common)
    for row, held in ((0, [1, 4, 6]), (2, [0, 1])):
        mine = vectors[held].astype(np.float64)
        left = mine.T @ mine + common + ridge[row] * np.eye(3)
        right = mine.T @ targets.toarray()[row, held]
        np.testing.assert_allclose(solved[row], np.linalg.solve(left, right), rtol=1e-5)
    assert not solved[1].any()


def test_a_ridge_that_float32_cannot_hold_is_named() -> None:
    targets = matrix_of(np.array([0]), np.array([0]), shape=(1, 1))
    with pytest.raises(ValueError, match="ridge of 0 is too small"):
        solve_rows(targets, np.ones((1, 2), dtype=np.float32), ridge=np.zeros(1))


def test_als_recommends_what_people_of_the_same_taste_took() -> None:
    log = _two_tastes()
    als = ALS(width=2)
    als.fit(_trained(log))
    lists = names_of(log, als.recommend(histories_of(log, "abc", "1234", users=[20, 0]), k=4))
    assert set(lists[0][:3]) == set("def")
    assert set(lists[1][:2]) == set("56")
    assert set(lists[1][2:]) <= set("abcdef")


def test_als_folds_a_history_in_by_the_normal_equations() -> None:
    log = _two_tastes()
    weight, ridge, power, sweeps, width = 0.3, 0.02, 0.5, 2, 3
    als = ALS(width=width, weight=weight, ridge=ridge, ridge_power=power, sweeps=sweeps)
    als.fit(_trained(log))
    matrix = taken(_trained(log)).toarray()[:20, :12].astype(np.float64)

    def solved(held: np.ndarray, others: np.ndarray) -> np.ndarray:
        rows = []
        for row in held:
            mine = others[row > 0]
            strength = ridge * (len(mine) + weight * len(others)) ** power
            left = mine.T @ mine + weight * others.T @ others + strength * np.eye(width)
            rows.append(np.linalg.solve(left, mine.sum(axis=0)))
        return np.array(rows)

    start = np.random.default_rng(0).normal(0.0, width**-0.5, (13, width))[:12]
    items = start.astype(np.float32).astype(np.float64)
    for _ in range(sweeps):
        items = solved(matrix.T, solved(matrix, items))
    history = np.array([[log.items[code] in "a1b" for code in range(12)]], dtype=np.float64)
    scores = (solved(history, items) @ items.T)[0]
    scores[history[0] > 0] = -np.inf
    expected = [log.items[code] for code in np.argsort(-scores)[:9]]
    # An item that comes twice, or that did not train, changes nothing.
    histories = histories_of(log, "ab1", "zab1a", users=[20, 20])
    assert names_of(log, als.recommend(histories, k=9)) == [expected, expected]


def test_als_has_nothing_for_who_took_nothing_that_it_knows() -> None:
    log = _two_tastes()
    als = ALS(width=4)
    als.fit(_trained(log))
    histories = histories_of(log, "z", "a", users=[20, 20])
    empty = replace(histories, records=[histories.records[0][:HEADER_BYTES], histories.records[1]])
    for asked in (histories, empty):
        lists = als.recommend(asked, k=3)
        assert lists[0].tolist() == [-1, -1, -1]
        assert (lists[1] >= 0).all()


def test_biased_mf_finds_the_biases_that_were_planted() -> None:
    random = np.random.default_rng(1)
    user, item = random.normal(size=40), random.normal(size=30)
    ratings = 3.5 + (user - user.mean())[:, None] + (item - item.mean())
    log = _rated(ratings, hidden=0.3)
    rival = BiasedMF(width=2, ridge=1e-3, sweeps=30)
    rival.fit(log)
    predicted = rival.ratings(log.user, log.item)
    np.testing.assert_allclose(predicted, ratings[log.user, log.item], atol=0.1)


def test_biased_mf_finds_tastes_beyond_the_biases() -> None:
    random = np.random.default_rng(2)
    ratings = 3.0 + random.normal(size=(60, 2)) @ random.normal(size=(2, 50))
    log = _rated(ratings, noise=0.1, hidden=0.3)
    error = {}
    for width in (1, 2):
        rival = BiasedMF(width=width, ridge=0.1, sweeps=20)
        rival.fit(log)
        hidden = np.isnan(log.rating)
        predicted = rival.ratings(log.user[hidden], log.item[hidden])
        error[width] = np.sqrt(np.mean((predicted - ratings[log.user, log.item][hidden]) ** 2))
    assert error[2] < 0.15 < 0.5 < error[1]


def test_biased_mf_ranks_by_the_predicted_rating() -> None:
    ratings = np.random.default_rng(3).normal(3.0, 1.0, (12, 9))
    log = _rated(ratings)
    rival = BiasedMF(width=3)
    rival.fit(log)
    items = np.arange(9, dtype=np.int32)
    lists = rival.recommend(histories_of(log, ["i0"], ["i4", "i8"], users=[3, 7]), k=20)
    for row, (user, seen) in enumerate(((3, [0]), (7, [4, 8]))):
        predicted = rival.ratings(np.full(9, user, dtype=np.int32), items)
        expected = [code for code in np.argsort(-predicted) if code not in seen]
        assert lists[row].tolist() == expected + [-1] * (20 - len(expected))


def test_what_biased_mf_does_not_know_adds_nothing() -> None:
    ratings = np.array([[5.0, 4.0, 1.0], [5.0, 3.0, 2.0], [4.0, 4.0, 1.0]])
    log = _rated(ratings)
    # The third user and the third item have no rating that is learnt from.
    part = log.rows((log.user < 2) & (log.item < 2))
    rival = BiasedMF(width=1, ridge=0.01)
    rival.fit(part)
    mean = part.rating.mean()
    pairs = [(0, 2), (2, 0), (2, 2)]
    user, item = np.array(pairs, dtype=np.int32).T
    of_user, of_item, of_neither = rival.ratings(user, item)
    assert of_neither == pytest.approx(mean)
    assert of_user > mean  # 5 and 4: above the mean of all four
    assert of_item > mean
    lists = names_of(log, rival.recommend(histories_of(log, ["i2"], users=[2]), k=3))
    assert lists == [["i0", "i1"]]


@pytest.mark.parametrize("rating", [None, np.full(4, np.nan, dtype=np.float32)])
def test_biased_mf_does_not_apply_without_ratings(rating: np.ndarray | None) -> None:
    log = log_of([(user, item, "view", 0) for user in "uv" for item in "ab"])
    with pytest.raises(NotApplicable, match="no ratings"):
        BiasedMF().fit(replace(log, rating=rating))


def test_biased_mf_is_a_rater() -> None:
    assert isinstance(BiasedMF(), Rater)
    assert not isinstance(ALS(), Rater)


@pytest.mark.parametrize("make", [ALS, BiasedMF])
def test_the_same_seed_gives_the_same_lists_however_batches_are_cut(make: type[ALS | BiasedMF]) -> None:
    log = replace(_two_tastes(), rating=np.random.default_rng(4).normal(size=101).astype(np.float32))
    histories = histories_of(log, "ab", "12", "a1", "fed", users=[20, 1, 2, 3])
    first, second = make(seed=5), make(seed=5)
    first.fit(_trained(log))
    second.fit(_trained(log))
    whole = first.recommend(histories, k=5)
    assert (second.recommend(histories, k=5) == whole).all()
    alone = [first.recommend(histories.one(place), k=5) for place in range(4)]
    assert (np.concatenate(alone) == whole).all()


@pytest.mark.parametrize("rival", [ALS(), BiasedMF()])
def test_one_user_and_one_item_leave_nothing_to_recommend(rival: Recommender) -> None:
    log = replace(log_of([("u", "a", "view", 0)]), rating=np.array([4.0], dtype=np.float32))
    rival.fit(log)
    assert rival.recommend(histories_of(log, "a"), k=10).tolist() == [[-1] * 10]

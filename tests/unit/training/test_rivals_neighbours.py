"""Who took this also took that; what people took who took the same."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt

import numpy as np
import pytest

from tests.unit.training.logs import histories_of, log_of, names_of
from tests.unit.training.plain_rankings import asked, assert_ranks_by, random_log
from training.evaluation.recommender import Recommender
from training.interactions import Interactions
from training.rivals.item_knn import ItemKNN
from training.rivals.sparse import strongest, taken
from training.rivals.user_knn import UserKNN

BOTH = [ItemKNN, UserKNN]


def _log(**taken_by: str) -> Interactions:
    """Users and the letters that they took, in that order, all at one time."""
    return log_of([(user, item, "view", 0) for user, items in taken_by.items() for item in items])


def _sets(columns: np.ndarray, keys: np.ndarray) -> dict[int, set[int]]:
    sets: dict[int, set[int]] = defaultdict(set)
    for key, column in zip(keys.tolist(), columns.tolist(), strict=True):
        sets[key].add(column)
    return sets


def _item_scores(
    training: Interactions, history: list[int], *, neighbours: int, shrinkage: float, half_life: float | None
) -> dict[int, float]:
    takers = _sets(training.user, training.item)
    weight = {
        item: 1.0 if half_life is None else 0.5 ** (back / half_life)
        for back, item in reversed(list(enumerate(reversed(history))))
    }
    scores = {}
    for item, of_item in takers.items():
        alike = {
            other: np.float32(
                len(of_item & of_other) / (sqrt(len(of_item)) * sqrt(len(of_other)) + shrinkage)
            )
            for other, of_other in takers.items()
            if other != item and of_item & of_other
        }
        nearest = sorted(alike, key=lambda other: (-alike[other], other))[:neighbours]
        scores[item] = sum(float(alike[other]) * weight.get(other, 0.0) for other in nearest)
    return scores


def _user_scores(
    training: Interactions, history: list[int], user: int, *, neighbours: int
) -> dict[int, float]:
    took = _sets(training.item, training.user)
    alike = {
        other: np.float32(len(items & set(history)) / sqrt(len(items)))
        for other, items in took.items()
        if other != user and items & set(history)
    }
    scores: dict[int, float] = defaultdict(float)
    for other in sorted(alike, key=lambda other: (-alike[other], other))[:neighbours]:
        for item in took[other]:
            scores[item] += float(alike[other])
    return scores


def test_items_rank_by_cosine() -> None:
    log = _log(u="ab", v="abc", w="bc", x="d")
    # a is in 2, b in 3, c in 2: cos(b, a) = 2/√6, cos(b, c) = 2/√6, cos(a, c) = 1/2; d is alike to none.
    rival = ItemKNN(shrinkage=0.0)
    rival.fit(log)
    assert names_of(log, rival.recommend(histories_of(log, "a", "b", "ca"), k=3)) == [
        ["b", "c"],
        ["a", "c"],  # equal: the first in the log
        ["b"],
    ]


def test_shrinkage_favours_what_more_people_took_together() -> None:
    log = _log(t="xp", u="xp", v="xp", w="xr", **{f"p{number}": "p" for number in range(7)})
    # cos(x, r) = 1/√4 = .5 above cos(x, p) = 3/√40 = .47; with shrinkage 10, 1/12 = .08 below 3/16.3 = .18.
    for shrinkage, expected in ((0.0, ["r", "p"]), (10.0, ["p", "r"])):
        rival = ItemKNN(shrinkage=shrinkage)
        rival.fit(log)
        assert names_of(log, rival.recommend(histories_of(log, "x"), k=2)) == [expected]


def test_items_that_are_not_among_the_nearest_do_not_count() -> None:
    log = _log(u="ab", v="ab", w="bc", x="a", y="cd", z="cd")
    # Each item's nearest: a → b, b → a, c → d, d → c, though b and c have a user in common.
    rival = ItemKNN(neighbours=1, shrinkage=0.0)
    rival.fit(log)
    assert names_of(log, rival.recommend(histories_of(log, "b", "c"), k=3)) == [["a"], ["d"]]


@pytest.mark.parametrize("neighbours", [1, 3, 100])
@pytest.mark.parametrize(("shrinkage", "half_life"), [(0.0, None), (3.0, None), (0.0, 2.0)])
def test_item_knn_is_what_the_formula_says(
    neighbours: int, shrinkage: float, half_life: float | None
) -> None:
    log = random_log(users=25, items=30, events=300, seed=neighbours)
    training, histories = asked(log, trained=0.7)
    rival = ItemKNN(neighbours=neighbours, shrinkage=shrinkage, half_life=half_life)
    rival.fit(training)
    scores = [
        _item_scores(
            training,
            histories.item[row].tolist(),
            neighbours=neighbours,
            shrinkage=shrinkage,
            half_life=half_life,
        )
        for row in range(len(histories))
    ]
    assert_ranks_by(rival, histories, scores, k=5)


@pytest.mark.parametrize("neighbours", [1, 4, 100])
def test_user_knn_is_what_the_formula_says(neighbours: int) -> None:
    log = random_log(users=25, items=30, events=300, seed=neighbours)
    training, histories = asked(log, trained=0.7)
    rival = UserKNN(neighbours=neighbours)
    rival.fit(training)
    scores = [
        _user_scores(training, histories.item[row].tolist(), int(user), neighbours=neighbours)
        for row, user in enumerate(histories.user)
    ]
    assert_ranks_by(rival, histories, scores, k=5)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    log = random_log(users=25, items=30, events=300, seed=0)
    training, histories = asked(log, trained=0.7)
    whole = []
    for rival in (ItemKNN(), UserKNN()):
        rival.fit(training)
        whole.append(rival.recommend(histories, k=5))
    for module in ("sparse", "blocks"):
        monkeypatch.setattr(f"training.rivals.{module}.CELLS", 40)
    for rival, expected in zip((ItemKNN(), UserKNN()), whole, strict=True):
        rival.fit(training)
        assert (rival.recommend(histories, k=5) == expected).all()


def test_a_user_is_not_his_own_neighbour() -> None:
    log = _log(u="abx", v="ay", w="z")
    rival = UserKNN(neighbours=1)
    rival.fit(log)
    # As u he is told what v took; as somebody else, that u is nearest.
    told = names_of(log, rival.recommend(histories_of(log, "ab", "ab", users=[0, 2]), k=2))
    assert told == [["y"], ["x"]]


def test_the_same_history_gets_the_same_list_whoever_asks_when_he_never_trained() -> None:
    log = _log(u="abc", v="bcd", w="cde", new="a", newer="b")
    training = log.rows(log.user < 3)
    for rival in (ItemKNN(), UserKNN()):
        rival.fit(training)
        first, second = names_of(log, rival.recommend(histories_of(log, "bc", "bc", users=[3, 4]), k=3))
        assert first == second and set(first) == {"a", "d", "e"}


@pytest.mark.parametrize("kind", BOTH)
def test_what_was_seen_before_the_window_is_not_recommended(kind: type) -> None:
    log = _log(u="abcd", v="abcd", w="ab")
    rival: Recommender = kind()
    rival.fit(log)
    told = names_of(log, rival.recommend(histories_of(log, "a", users=[2], earlier=["c"]), k=4))
    assert sorted(told[0]) == ["b", "d"]


@pytest.mark.parametrize("kind", BOTH)
def test_who_has_nothing_in_common_with_anyone_gets_an_empty_list(kind: type) -> None:
    log = _log(u="ab", v="ab", w="z", x="q")
    rival: Recommender = kind()
    rival.fit(log.rows(log.user < 3))
    told = rival.recommend(histories_of(log, "z", "q", users=[2, 3]), k=3)
    assert (told == -1).all()


@pytest.mark.parametrize("kind", BOTH)
def test_a_k_above_the_catalogue_gives_what_there_is(kind: type) -> None:
    log = _log(u="abc", v="abc")
    rival: Recommender = kind()
    rival.fit(log)
    told = rival.recommend(histories_of(log, "a", users=[1]), k=10)
    assert told.shape == (1, 10)
    assert names_of(log, told) == [["b", "c"]]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("log", [_log(u="a", v="a", w="a"), _log(u="a")])
def test_of_one_item_nothing_is_left_to_recommend(kind: type, log: Interactions) -> None:
    rival: Recommender = kind()
    rival.fit(log)
    assert (rival.recommend(histories_of(log, "a"), k=3) == -1).all()


def test_one_user_alone_has_no_neighbours_but_his_items_have() -> None:
    log = _log(u="abc")
    for rival, expected in ((UserKNN(), []), (ItemKNN(), ["b", "c"])):
        rival.fit(log)
        assert names_of(log, rival.recommend(histories_of(log, "a"), k=3)) == [expected]


@pytest.mark.parametrize("kind", BOTH)
def test_nothing_learnt_and_nobody_asked_are_no_errors(kind: type) -> None:
    log = _log(u="abc", v="ab")
    rival: Recommender = kind()
    rival.fit(log.part(0, 0))
    assert (rival.recommend(histories_of(log, "ab"), k=2) == -1).all()
    rival.fit(log)
    assert rival.recommend(histories_of(log), k=2).shape == (0, 2)


def test_a_fit_forgets_the_one_before() -> None:
    log = _log(u="ab", v="ac")
    for rival in (ItemKNN(), UserKNN()):
        rival.fit(log.rows(log.user == 0))
        rival.fit(log.rows(log.user == 1))
        assert names_of(log, rival.recommend(histories_of(log, "a", users=[9]), k=3)) == [["c"]]


def test_the_strongest_of_a_row_are_marked_and_of_equal_ones_the_first() -> None:
    matrix = taken(_log(u="abcd", v="ab", w="dcba"))
    matrix.data = np.array([1, 2, 2, 2, 5, 5, 3, 1, 3, 2], dtype=np.float32)
    assert strongest(matrix, 2).tolist() == [
        False, True, True, False,
        True, True,
        True, False, True, False,
    ]  # fmt: skip

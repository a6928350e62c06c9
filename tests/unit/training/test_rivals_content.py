"""More of the same kind, by what is told of the items."""

from __future__ import annotations

from math import log as ln
from math import sqrt
from typing import Any

import pytest

from tests.unit.training.logs import histories_of, log_of, names_of
from tests.unit.training.plain_rankings import asked, assert_ranks_by, random_log
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions
from training.rivals.content import ContentBased


def _log(items: str) -> Interactions:
    return log_of([("u", item, "view", 0) for item in items])


def _told(
    log: Interactions, items: dict[str, dict[str, Any]], *histories: str, k: int = 9
) -> list[list[str]]:
    rival = ContentBased(items)
    rival.fit(log)
    return names_of(log, rival.recommend(histories_of(log, *histories), k=k))


def test_what_shares_more_comes_first_and_what_shares_nothing_not_at_all() -> None:
    items = {
        "a": {"title": "The Red Shoe", "categories": ["Drama"]},
        "b": {"title": "Blue", "categories": ["Drama", "Comedy"]},
        "c": {"title": "the red shoe!", "categories": ["Drama"]},
        "d": {"title": "Green", "categories": ["Western"]},
    }
    assert _told(_log("abcd"), items, "a", "d") == [["c", "b"], []]


def test_a_rare_category_tells_more_than_a_common_one() -> None:
    kinds = {"a": ["x", "y"], "b": ["y"], "c": ["y"], "d": ["x"]}
    items = {item: {"categories": categories} for item, categories in kinds.items()}
    assert _told(_log("abcd"), items, "a") == [["d", "b", "c"]]


def test_a_category_is_one_token_and_none_of_a_title() -> None:
    items = {
        "a": {"categories": ["Film Noir"]},
        "b": {"categories": ["Film"]},
        "c": {"title": "Film Noir"},
        "d": {"categories": ["Film Noir"], "title": "x"},
    }
    assert _told(_log("abcd"), items, "a") == [["d"]]


def test_further_texts_count_and_numbers_and_the_id_do_not() -> None:
    items: dict[str, dict[str, Any]] = {
        "a": {"item_id": "same", "year": 1999, "brand": "Acme"},
        "b": {"item_id": "same", "year": 1999},
        "c": {"item_id": "c", "brand": "ACME"},
    }
    assert _told(_log("abc"), items, "a") == [["c"]]


def test_an_item_that_never_occurred_in_training_is_recommended() -> None:
    log = _log("abc")
    items = {item: {"categories": ["Drama"]} for item in "abc"}
    rival = ContentBased(items)
    rival.fit(log.part(0, 1))
    assert names_of(log, rival.recommend(histories_of(log, "a"), k=3)) == [["b", "c"]]


def test_items_of_which_nothing_is_told_are_left_out_on_both_sides() -> None:
    items: dict[str, dict[str, Any]] = {"a": {"title": "One"}, "b": {"title": "One"}, "c": {"title": "!"}}
    assert _told(_log("abcd"), items, "a", "d", "da") == [["b"], [], ["b"]]


@pytest.mark.parametrize("items", [{}, {"z": {"title": "Elsewhere"}}, {"a": {"item_id": "a", "year": 1}}])
def test_it_does_not_apply_where_nothing_is_told(items: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(NotApplicable, match="table of items"):
        ContentBased(items).fit(_log("ab"))


@pytest.mark.parametrize(("half_life", "expected"), [(None, ["e", "f"]), (1.0, ["f", "e"])])
def test_with_a_half_life_the_end_of_the_history_decides(
    half_life: float | None, expected: list[str]
) -> None:
    log = _log("abcdef")
    items = {item: {"categories": [kind]} for item, kind in zip("abcdef", "xxyyxy", strict=True)}
    rival = ContentBased(items, half_life=half_life)
    rival.fit(log)
    # Two of either kind: without a half-life they tie, and the first in the log comes first.
    assert names_of(log, rival.recommend(histories_of(log, "abdc"), k=2)) == [expected]


def test_one_item_and_nobody_are_no_errors() -> None:
    log = _log("a")
    assert _told(log, {"a": {"title": "One"}}, "a") == [[]]
    assert _told(log, {"a": {"title": "One"}}) == []


@pytest.mark.parametrize("half_life", [None, 3.0])
def test_scores_are_what_the_formula_says(half_life: float | None) -> None:
    log = random_log(users=8, items=25, events=120, seed=5)
    items = {
        f"i{number}": {
            "title": f"w{number % 3} w{number % 5} w{number % 5}",
            "categories": [f"c{number % 4}"],
        }
        for number in range(0, 50, 2)
    }
    vectors = _vectors(log, items)
    training, histories = asked(log, trained=0.7)
    rival = ContentBased(items, half_life=half_life)
    rival.fit(training)
    scores = []
    for row in range(len(histories)):
        history = list(dict.fromkeys(reversed(histories.item[row].tolist())))
        back = {item: histories.item[row].tolist()[::-1].index(item) for item in history}
        profile: dict[str, float] = {}
        for item in history:
            for token, value in vectors[item].items():
                weight = 1.0 if half_life is None else 0.5 ** (back[item] / half_life)
                profile[token] = profile.get(token, 0.0) + weight * value
        scores.append(
            {
                item: sum(value * profile.get(token, 0.0) for token, value in vector.items())
                for item, vector in enumerate(vectors)
            }
        )
    assert_ranks_by(rival, histories, scores, k=6)


def _vectors(log: Interactions, items: dict[str, dict[str, Any]]) -> list[dict[str, float]]:
    tokens = []
    for item in log.items:
        fields = items.get(item, {})
        tokens.append(fields.get("title", "").split() + fields.get("categories", []))
    holders = {token: sum(token in one for one in tokens) for one in tokens for token in one}
    vectors = []
    for one in tokens:
        raw = {
            token: (1 + ln(one.count(token))) * (1 + ln((1 + len(tokens)) / (1 + holders[token])))
            for token in one
        }
        length = sqrt(sum(value**2 for value in raw.values())) or 1.0
        vectors.append({token: value / length for token, value in raw.items()})
    return vectors

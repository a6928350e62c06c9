"""Popularity within categories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.logs import histories_of, log_of, names_of
from training.evaluation.recommender import NotApplicable
from training.rivals.category_popularity import CategoryPopularity

LOG = log_of([("u", name, "view", place) for place, name in enumerate("aabcccdde")])
FIELDS = {
    "a": {"categories": ["x"]},
    "b": {"categories": ["x", "y"]},
    "c": {"categories": ["y"]},
    "d": {"genres": "x|y"},
    "new": {"categories": ["x"]},
}


def fitted(items: tuple[str, ...] = ("new",)) -> CategoryPopularity:
    rival = CategoryPopularity(FIELDS)
    rival.fit(replace(LOG, items=(*LOG.items, *items)))
    return rival


def test_a_list_by_hand() -> None:
    log = replace(LOG, items=(*LOG.items, "new"))
    listed = fitted().recommend(histories_of(log, ["a", "a"], ["b", "a"], ["e"]), k=6)
    assert names_of(log, listed) == [
        # One of x: d has two events, b one, the new item none; then those that share nothing.
        ["d", "b", "new", "c", "e"],
        # Two share x with d and with the new item, one y with c.
        ["d", "new", "c", "e"],
        # e has no category: popularity alone, a before d as it occurred first.
        ["c", "a", "d", "b", "new"],
    ]


def test_without_any_category_it_says_so() -> None:
    with pytest.raises(NotApplicable, match="no item of the log has categories"):
        CategoryPopularity({}).fit(LOG)


@given(
    categories=st.lists(st.sets(st.sampled_from("xyz")), min_size=6, max_size=6),
    taken=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    events=st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_lists_are_those_of_the_definition(
    categories: list[set[str]], taken: list[int], events: list[int]
) -> None:
    names = [f"i{number}" for number in range(6)]
    log = log_of([("u", names[item], "view", place) for place, item in enumerate([*events, *range(6)])])
    fields = {name: {"categories": sorted(own)} for name, own in zip(names, categories, strict=True)}
    rival = CategoryPopularity(fields)
    if not any(categories):
        with pytest.raises(NotApplicable):
            rival.fit(log)
        return
    rival.fit(log)
    history = {names[item] for item in taken}
    counts = np.bincount(log.item, minlength=len(log.items))
    expected = sorted(
        (item for item in log.items if item not in history),
        key=lambda item: (
            -sum(bool(set(fields[item]["categories"]) & set(fields[own]["categories"])) for own in history),
            -counts[log.items.index(item)],
            log.items.index(item),
        ),
    )
    listed = rival.recommend(histories_of(log, [names[item] for item in taken]), k=6)
    assert names_of(log, listed) == [expected]

"""Slices of the questions."""

from __future__ import annotations

import numpy as np

from training.evaluation.slices import QuestionFacts, slices


def test_every_question_is_in_one_slice_of_each_kind() -> None:
    random = np.random.default_rng(0)
    facts = QuestionFacts(
        history_length=random.integers(0, 300, 500),
        item_count=random.integers(0, 30, 500),
        user_count=random.integers(0, 30, 500),
    )
    for parts in slices(facts).values():
        assert (np.sum([mask for _, mask in parts], axis=0) == 1).all()
        assert all(mask.dtype == np.bool_ for _, mask in parts)


def test_bounds_belong_to_the_slice_below() -> None:
    lengths = np.array([0, 1, 5, 6, 20, 21, 50, 51, 200, 201])
    found = slices(QuestionFacts(history_length=lengths, item_count=lengths, user_count=lengths))
    assert [(name, lengths[mask].tolist()) for name, mask in found["history length"]] == [
        ("0", [0]),
        ("1–5", [1, 5]),
        ("6–20", [6, 20]),
        ("21–50", [21, 50]),
        ("51–200", [51, 200]),
        ("over 200", [201]),
    ]


def test_cold_items_and_cold_users_are_told_by_their_own_counts() -> None:
    found = slices(
        QuestionFacts(
            history_length=np.full(4, 7),
            item_count=np.array([0, 1, 10, 11]),
            user_count=np.array([11, 10, 0, 0]),
        )
    )
    names = ["0", "1–10", "over 10"]
    items, users = found["target's training count"], found["user's training events"]
    assert [name for name, _ in items] == [name for name, _ in users] == names
    assert [np.flatnonzero(mask).tolist() for _, mask in items] == [[0], [1, 2], [3]]
    assert [np.flatnonzero(mask).tolist() for _, mask in users] == [[2, 3], [1], [0]]

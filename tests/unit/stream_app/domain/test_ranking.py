from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.hashing import item_hash
from models.bundle.signature import NO_CANDIDATE_SCORE, UNAVAILABLE_BIAS
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.history import extend
from stream_app.domain.messages import Because, RecommendedItem
from stream_app.domain.ranking import Candidate, Ranked, RankedList, knows, rank, rank_trending
from tests.unit.stream_app.domain.samples import interaction

KNOWN = Vocabulary([f"i{row}" for row in range(1, 31)])
"""Row 1 is i1 and so on."""


def ranked(
    ids: Sequence[Sequence[int]],
    scores: Sequence[Sequence[float]],
    attention: Sequence[Sequence[float]] | None = None,
) -> Ranked:
    weights = [[0.0]] * len(ids) if attention is None else attention
    return Ranked(
        np.array(ids, dtype=np.int32), np.array(scores, dtype=np.float32), np.array(weights, dtype=np.float32)
    )


def histories(*rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def hashes(*item_ids: str) -> bytes:
    return b"".join(item_hash(item_id).to_bytes(8, "little") for item_id in item_ids)


def names(found: RankedList) -> list[str]:
    return [item.item_id for item in found.items]


def reasons(attention: Sequence[float], history: Sequence[int]) -> list[tuple[str, float]]:
    (found,) = rank(ranked([[9]], [[1.0]], [attention]), histories(history), KNOWN, k=1)
    return [(reason.item_id, reason.weight) for reason in found.items[0].because]


def test_a_list_is_in_the_order_of_the_scores_with_its_hashes_beside_it() -> None:
    (found,) = rank(ranked([[3, 1, 2]], [[2.5, 0.5, -1.0]]), histories([0]), KNOWN, k=3)
    assert [(item.item_id, item.score) for item in found.items] == [("i3", 2.5), ("i1", 0.5), ("i2", -1.0)]
    assert found.hashes == hashes("i3", "i1", "i2")


def test_each_user_gets_a_list_of_their_own() -> None:
    found = rank(ranked([[1, 2], [4, 3]], [[2, 1], [2, 1]]), histories([0], [0]), KNOWN, k=2)
    assert [names(one) for one in found] == [["i1", "i2"], ["i4", "i3"]]


def test_an_empty_batch_gives_no_lists() -> None:
    empty = Ranked(
        np.zeros((0, 5), dtype=np.int32),
        np.zeros((0, 5), dtype=np.float32),
        np.zeros((0, 3), dtype=np.float32),
    )
    assert rank(empty, np.zeros((0, 3), dtype=np.int32), KNOWN, k=2) == []


@pytest.mark.parametrize(("k", "places"), [(1, 1), (2, 2), (3, 3), (10, 3)])
def test_a_list_has_at_most_k_places(k: int, places: int) -> None:
    (found,) = rank(ranked([[1, 2, 3]], [[3, 2, 1]]), histories([0]), KNOWN, k=k)
    assert len(found.items) == places
    assert len(found.hashes) == 8 * places


@pytest.mark.parametrize(
    ("row", "score"), [(0, 1.0), (0, NO_CANDIDATE_SCORE), (3, NO_CANDIDATE_SCORE), (3, UNAVAILABLE_BIAS)]
)
def test_a_place_without_a_candidate_ends_the_list(row: int, score: float) -> None:
    batch = ranked([[1, 2, row], [1, 2, 4]], [[3, 2, score], [3, 2, 1]])
    found = rank(batch, histories([0], [0]), KNOWN, k=3)
    assert [names(one) for one in found] == [["i1", "i2"], ["i1", "i2", "i4"]]
    assert [len(one.hashes) for one in found] == [16, 24]


def test_a_list_may_be_empty() -> None:
    (found,) = rank(ranked([[0, 0]], [[-1e30, -1e30]]), histories([0]), KNOWN, k=2)
    assert found == RankedList((), b"")


def test_the_three_strongest_of_the_history_are_the_reason_for_every_place() -> None:
    batch = ranked([[9, 8]], [[2, 1]], [[0.05, 0.5, 0.15, 0.3]])
    (found,) = rank(batch, histories([1, 2, 3, 4]), KNOWN, k=2)
    expected = (Because("i2", 0.5), Because("i4", 0.3), Because("i3", 0.15))
    assert [item.because for item in found.items] == [expected, expected]


def test_the_attention_of_an_item_that_occurs_twice_is_added_up() -> None:
    assert reasons([0.1, 0.45, 0.25, 0.2], [3, 1, 2, 2]) == [("i1", 0.45), ("i2", 0.45)]
    assert reasons([0.0, 0.4, 0.3, 0.3], [3, 1, 2, 2]) == [("i2", 0.6), ("i1", 0.4)]


def test_padding_and_places_without_attention_are_no_reasons() -> None:
    assert reasons([0.9, 0.1, 0.0], [0, 1, 2]) == [("i1", 0.1)]
    assert reasons([0.0, 0.0, 0.0], [0, 0, 0]) == []
    assert reasons([0.00004, 0.99996, 0.0], [1, 2, 3]) == [("i2", 1.0)]


def test_a_history_shorter_than_three_gives_fewer_reasons() -> None:
    assert reasons([0.25, 0.75], [1, 2]) == [("i2", 0.75), ("i1", 0.25)]


def test_weights_have_four_digits_in_json_too() -> None:
    (found,) = rank(ranked([[9]], [[1.0]], [[1 / 3, 0.1, 0.2]]), histories([1, 2, 2]), KNOWN, k=1)
    assert b'"weight":0.3333}' in msgspec.json.encode(found.items)
    assert b'"weight":0.3}' in msgspec.json.encode(found.items)


@given(
    attention=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12),
    data=st.data(),
)
def test_reasons_are_known_items_best_first_and_weigh_at_most_what_they_got(
    attention: list[float], data: st.DataObject
) -> None:
    total = sum(attention) or 1.0
    shares = [weight / total for weight in attention]
    history = data.draw(st.lists(st.integers(0, 5), min_size=len(shares), max_size=len(shares)))
    found = reasons(shares, history)
    weights = [weight for _, weight in found]
    assert weights == sorted(weights, reverse=True)
    assert len(found) == len({name for name, _ in found}) <= 3
    for name, weight in found:
        got = sum(share for share, row in zip(shares, history, strict=True) if row == KNOWN.row(name))
        assert 0 < weight <= got + 3e-4


def candidates(*item_ids: str) -> list[Candidate]:
    return [
        Candidate(item_hash(item_id), RecommendedItem(item_id, 1.0 / (place + 1), ()))
        for place, item_id in enumerate(item_ids)
    ]


def window(*item_ids: str) -> bytes | None:
    events = [interaction(item_id, offset=at) for at, item_id in enumerate(item_ids)]
    return extend(None, events, epoch=0, limit=200, max_age_ms=1_000)


def test_the_fallback_leaves_out_all_that_the_window_holds() -> None:
    found = rank_trending(candidates("a", "b", "c", "d"), [window("b", "x", "d")], k=10)[0]
    assert names(found) == ["a", "c"]
    assert found.hashes == hashes("a", "c")


def test_the_fallback_fills_k_places_from_below_the_seen_ones() -> None:
    found = rank_trending(candidates("a", "b", "c", "d", "e"), [window("a", "c")], k=2)[0]
    assert names(found) == ["b", "d"]


def test_the_fallback_of_a_user_without_a_history_is_the_top() -> None:
    top = candidates("a", "b", "c")
    assert rank_trending(top, [None], k=2) == [RankedList((top[0].item, top[1].item), hashes("a", "b"))]


def test_the_fallback_may_be_empty() -> None:
    assert rank_trending([], [None], k=10) == [RankedList((), b"")]
    assert rank_trending(candidates("a"), [window("a")], k=10) == [RankedList((), b"")]


def test_each_user_of_a_batch_gets_a_fallback_of_their_own() -> None:
    windows = [window("b"), None, window("x"), window("a", "b", "c")]
    found = rank_trending(candidates("a", "b", "c"), windows, k=2)
    assert [names(one) for one in found] == [["a", "c"], ["a", "b"], ["a", "b"], []]


def test_a_model_knows_a_user_by_the_last_place_of_the_padded_history() -> None:
    assert knows(histories([0, 0, 0], [0, 0, 4], [1, 2, 3])) == [False, True, True]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle import vocabulary as module
from models.bundle.hashing import item_hash
from models.bundle.vocabulary import Vocabulary

IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


@given(known=IDS, asked=st.lists(st.text(min_size=1, max_size=8), max_size=60), data=st.data())
def test_rows_agree_with_a_dict(known: list[str], asked: list[str], data: st.DataObject) -> None:
    vocabulary = Vocabulary(known)
    reference = {item_hash(item_id): row for row, item_id in enumerate(known, start=1)}
    asked = asked + (data.draw(st.lists(st.sampled_from(known), max_size=60)) if known else [])
    hashes = [item_hash(item_id) for item_id in asked] + [0]
    rows = vocabulary.rows(np.array(hashes, dtype=np.uint64))
    assert rows.dtype == np.int32
    assert rows.tolist() == [reference.get(value, 0) for value in hashes]


@given(
    hashes=st.lists(st.integers(1, 2**64 - 1).map(lambda v: v & 0xF00000000000000F or 1), unique=True),
    asked=st.lists(st.integers(0, 2**64 - 1).map(lambda v: v & 0xF00000000000000F)),
)
def test_hashes_that_share_a_slot_are_told_apart(hashes: list[int], asked: list[int]) -> None:
    # The low bits choose the slot: with four of them in use, nearly every look-up collides.
    names = {f"{value:x}": value for value in hashes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "item_hash", names.__getitem__)
        vocabulary = Vocabulary(list(names))
    reference = {value: row for row, value in enumerate(hashes, start=1)}
    rows = vocabulary.rows(np.array(hashes + asked, dtype=np.uint64))
    assert rows.tolist() == [reference.get(value, 0) for value in hashes + asked]


def test_row_zero_is_padding_and_has_no_id() -> None:
    vocabulary = Vocabulary(["a", "b"])
    assert len(vocabulary) == 2
    assert vocabulary.hashes.tolist() == [0, item_hash("a"), item_hash("b")]
    assert vocabulary.names == ("", "a", "b")
    assert (vocabulary.row("a"), vocabulary.row("b"), vocabulary.row("c")) == (1, 2, 0)
    assert (vocabulary.item_id(1), vocabulary.item_id(2)) == ("a", "b")
    for row in (-1, 0, 3):
        with pytest.raises(IndexError):
            vocabulary.item_id(row)


def test_an_id_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="1 items occur twice"):
        Vocabulary(["a", "b", "a"])


def test_two_ids_of_one_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "item_hash", lambda _: 7)
    with pytest.raises(ValueError, match="two items have the same hash"):
        Vocabulary(["a", "b"])


def test_hashes_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Vocabulary(["a"]).hashes[0] = 1

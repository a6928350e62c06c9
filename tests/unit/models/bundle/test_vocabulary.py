from __future__ import annotations

import threading

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
    assert vocabulary.names == ["", "a", "b"]
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


@given(first=IDS, later=st.lists(IDS, max_size=6), asked=IDS)
def test_a_vocabulary_that_grew_agrees_with_a_dict(
    first: list[str], later: list[list[str]], asked: list[str]
) -> None:
    vocabulary, reference = Vocabulary(first), {item_id: row for row, item_id in enumerate(first, start=1)}
    for some in later:
        new = [item_id for item_id in some if item_id not in reference]
        rows = vocabulary.add(new)
        assert rows.dtype == np.int32
        assert rows.tolist() == list(range(len(reference) + 1, len(reference) + len(new) + 1))
        reference |= dict(zip(new, rows.tolist(), strict=True))
    assert vocabulary.item_ids == tuple(reference) and len(vocabulary) == len(reference)
    assert list(vocabulary.names) == ["", *reference]
    assert vocabulary.hashes.tolist() == [0, *map(item_hash, reference)]
    everything = [*reference, *asked]
    hashes = np.array([item_hash(item_id) for item_id in everything] + [0], dtype=np.uint64)
    expected = [reference.get(item_id, 0) for item_id in everything]
    assert vocabulary.rows(hashes).tolist() == [*expected, 0]
    assert [vocabulary.row(item_id) for item_id in everything] == expected
    for item_id, row in reference.items():
        assert vocabulary.item_id(row) == vocabulary.name_of(item_hash(item_id)) == item_id


@given(hashes=st.lists(st.integers(1, 2**64 - 1).map(lambda v: v & 0xF00000000000000F or 1), unique=True))
def test_added_hashes_that_share_a_slot_are_told_apart(hashes: list[int]) -> None:
    names = {f"{value:x}": value for value in hashes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "item_hash", names.__getitem__)
        vocabulary = Vocabulary([])
        for name in names:
            vocabulary.add([name])
    rows = vocabulary.rows(np.array(hashes, dtype=np.uint64))
    assert rows.tolist() == list(range(1, len(hashes) + 1))


def test_many_are_added_one_by_one() -> None:
    vocabulary = Vocabulary(["a"])
    names = [f"item-{number}" for number in range(5_000)]
    for name in names:
        vocabulary.add([name])
    rows = vocabulary.rows(np.array([item_hash(name) for name in ["a", *names]], dtype=np.uint64))
    assert rows.tolist() == list(range(1, 5_002))


def test_what_cannot_be_added_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary(["a", "b"])
    with pytest.raises(ValueError, match="1 items are here already"):
        vocabulary.add(["c", "a"])
    with pytest.raises(ValueError, match="same hash"):
        vocabulary.add(["c", "c"])
    monkeypatch.setattr(module, "item_hash", lambda _: item_hash("b"))
    with pytest.raises(ValueError, match="same hash"):
        vocabulary.add(["c"])
    assert (len(vocabulary), vocabulary.row("c"), list(vocabulary.names)) == (2, 0, ["", "a", "b"])


def test_who_reads_while_others_are_added_finds_the_right_row_or_none() -> None:
    known, later = ([f"{kind}-{number}" for number in range(3_000)] for kind in ("known", "later"))
    vocabulary = Vocabulary(known)
    hashes = np.array([item_hash(name) for name in known + later], dtype=np.uint64)
    right = np.arange(1, len(hashes) + 1)
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = vocabulary.rows(hashes)
            names = vocabulary.names
            if not ((found == right) | ((found == 0) & (right > 3_000))).all():
                wrong.append(found)
            if found.max() and names[found.max()] != (known + later)[found.max() - 1]:
                wrong.append(found.max())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(0, len(later), 5):
        vocabulary.add(later[start : start + 5])
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert (vocabulary.rows(hashes) == right).all()

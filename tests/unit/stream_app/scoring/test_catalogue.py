from __future__ import annotations

import numpy as np
import pytest

from models.bundle.signature import UNAVAILABLE_BIAS
from stream_app.scoring.catalogue import Catalogue

OUT = np.float32(UNAVAILABLE_BIAS)


def catalogue(items: int = 10, rows: int = 256) -> Catalogue:
    bias = np.full(rows, UNAVAILABLE_BIAS, dtype=np.float32)
    bias[1 : items + 1] = np.arange(items)
    return Catalogue(vectors=np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32), bias=bias)


def test_an_item_that_comes_back_has_its_trained_bias() -> None:
    table = catalogue()
    table.set_available(4, available=False)
    assert table.bias[4] == OUT and not table.is_available(4)
    table.set_available(4, available=True)
    assert table.bias[4] == 3 and table.is_available(4)


def test_several_rows_are_changed_at_once() -> None:
    table = catalogue()
    table.set_available([2, 3], available=False)
    assert [table.is_available(row) for row in (1, 2, 3, 4)] == [True, False, False, True]


def test_the_memory_that_the_graph_reads_is_written_in_place() -> None:
    table = catalogue()
    bias = table.bias
    table.set_available(4, available=False)
    table.set_unavailable([1])
    assert table.bias is bias
    assert bias[1] == OUT and bias[4] == 3


def test_set_unavailable_makes_all_others_available() -> None:
    table = catalogue()
    table.set_available([2, 3], available=False)
    table.set_unavailable(np.array([3, 5], dtype=np.int32))
    assert [row for row in range(1, 11) if not table.is_available(row)] == [3, 5]


def test_padding_and_empty_rows_never_become_available() -> None:
    table = catalogue(items=10)
    table.set_available([0, 200], available=True)
    assert not table.is_available(0) and not table.is_available(200)


def test_padding_is_unavailable_whatever_bias_was_given() -> None:
    table = Catalogue(vectors=np.zeros((256, 4), np.float32), bias=np.ones(256, np.float32))
    assert not table.is_available(0) and table.is_available(1)


@pytest.mark.parametrize("row", [-1, 256])
def test_rows_beyond_the_table_are_refused(row: int) -> None:
    table = catalogue()
    for change in (
        lambda: table.set_available(row, available=False),
        lambda: table.set_unavailable([1, row]),
    ):
        with pytest.raises(IndexError, match="rows are 0 to 255"):
            change()
    assert table.is_available(1)


def test_the_bias_that_was_given_is_not_written() -> None:
    given = np.zeros(256, dtype=np.float32)
    Catalogue(vectors=np.zeros((256, 4), np.float32), bias=given).set_available(3, available=False)
    assert not given.any()


def test_every_change_raises_the_revision() -> None:
    table = catalogue()
    revisions = [table.revision]
    for change in (lambda: table.set_available(1, available=False), lambda: table.set_unavailable([])):
        change()
        revisions.append(table.revision)
    assert revisions == sorted(set(revisions))
    table.set_available([], available=False)
    assert table.revision == revisions[-1]  # no change: nothing is sent to a GPU


def write(table: Catalogue, rows: list[int], *, bias: float = 5.0, available: bool = True) -> None:
    count = len(rows)
    table.write(
        np.array(rows),
        vectors=np.full((count, 4), 7, np.float32),
        bias=np.full(count, bias, np.float32),
        available=np.full(count, available),
    )


def test_a_written_row_is_ranked_with_its_own_bias_and_can_leave_and_come_back() -> None:
    table = catalogue()
    write(table, [11, 12])
    assert (table.vectors[[11, 12]] == 7).all() and table.bias[11] == 5
    table.set_available(11, available=False)
    assert not table.is_available(11)
    table.set_available(11, available=True)
    assert table.bias[11] == 5


def test_a_row_that_is_written_unavailable_keeps_its_bias_for_later() -> None:
    table = catalogue()
    write(table, [11], available=False)
    assert not table.is_available(11)
    table.set_unavailable([])
    assert table.bias[11] == 5


def test_writing_raises_both_revisions() -> None:
    table = catalogue()
    before = table.revision, table.vectors_revision
    write(table, [11])
    assert table.revision > before[0] and table.vectors_revision > before[1]


@pytest.mark.parametrize("row", [-1, 0, 256])
def test_padding_and_rows_beyond_the_table_are_not_written(row: int) -> None:
    table = catalogue()
    vectors = table.vectors.copy()
    with pytest.raises(IndexError):
        write(table, [3, row])
    np.testing.assert_array_equal(table.vectors, vectors)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_table_that_grows_keeps_rows_availability_and_type_and_has_room(dtype: str) -> None:
    small = catalogue(items=10)
    table = Catalogue(vectors=small.vectors, bias=small.bias, dtype=dtype)
    table.set_available(2, available=False)
    before = table.tables
    table.make_room(255)
    assert table.tables is before, "a row for each of 255 items and padding is there"
    table.make_room(256)
    assert table.rows == 512 and table.vectors.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(table.vectors[:256], before.vectors)
    assert not table.is_available(2) and table.is_available(3) and not table.is_available(300)
    table.set_available([2, 300], available=True)
    assert table.bias[2] == 1 and not table.is_available(300)
    write(table, [256])
    assert table.is_available(256)
    assert before.bias[2] == OUT, "who still reads the former tables sees no change"


@pytest.mark.parametrize(("vectors", "bias"), [((256, 4), 255), ((256,), 256), ((100, 4), 100), ((0, 4), 0)])
def test_tables_of_other_shapes_are_refused(vectors: tuple[int, ...], bias: int) -> None:
    with pytest.raises(ValueError):
        Catalogue(vectors=np.zeros(vectors, np.float32), bias=np.zeros(bias, np.float32))


def test_vectors_take_the_type_that_the_graph_wants() -> None:
    table = Catalogue(vectors=np.ones((256, 4), np.float32), bias=np.zeros(256, np.float32), dtype="float16")
    assert table.vectors.dtype == np.float16 and table.bias.dtype == np.float32

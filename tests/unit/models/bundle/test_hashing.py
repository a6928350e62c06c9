from __future__ import annotations

import pytest

from models.bundle import hashing
from models.bundle.hashing import item_hash


def test_the_hash_of_an_id_never_changes() -> None:
    # Written in every stored history: another value would orphan them all.
    assert item_hash("1") == 7335560060985733464
    assert item_hash("Amélie") == 11158366396119284846


def test_no_item_has_the_hash_that_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "xxh3_64_intdigest", lambda _: 0)
    assert item_hash("an id that hashes to 0") == 1

"""The order of events of one day."""

from __future__ import annotations

import struct

import numpy as np
import polars as pl
from xxhash import xxh3_64_intdigest

from training.sources.within_day import id_hashes, order_hash_of, order_hashes


def test_the_hash_of_a_pair_is_xxh3_of_its_sixteen_bytes() -> None:
    random = np.random.default_rng(0)
    user, item = random.integers(0, 2**64, (2, 2000), dtype=np.uint64)
    edges = np.array([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1], dtype=np.uint64)
    user[:36], item[:36] = np.repeat(edges, 6), np.tile(edges, 6)
    pairs = zip(user.tolist(), item.tolist(), strict=True)
    expected = [xxh3_64_intdigest(struct.pack("<QQ", *pair)) for pair in pairs]
    assert order_hashes(user, item).tolist() == expected


def test_columns_of_ids_are_hashed_by_their_text() -> None:
    users, items = pl.Series(["6", "é", None, "6"]), pl.Series(["1", "2", "3", "1"])
    found = order_hash_of(users, items)
    one = id_hashes(["6"]), id_hashes(["1"])
    assert found[0] == found[3] == order_hashes(*one)[0]
    assert found[2] == order_hashes(id_hashes([""]), id_hashes(["3"]))[0]
    assert id_hashes(["é"])[0] == xxh3_64_intdigest("é".encode())

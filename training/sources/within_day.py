"""The order of what happened on one day, where a file tells days only.

The order of the file would leak: the Netflix Prize has one movie after the other, so that a model could tell
the next item from the last. The order by a hash of user and item tells nothing, and is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

# XXH3_64bits for 9 to 16 bytes, seed 0: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
# The secret's bytes 24 to 55 as four words, of which pairs are combined.
_FLIP_LOW = np.uint64(0x1F67B3B7A4A44072 ^ 0x78E5C0CC4EE679CB)
_FLIP_HIGH = np.uint64(0x2172FFCC7DD05A82 ^ 0x8E2443F7744608B8)
_AVALANCHE = np.uint64(0x165667919E3779F9)
_LENGTH = np.uint64(16)
_LOW_HALF, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def id_hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    """xxh3-64 of each id's UTF-8 bytes: uint64 [n]."""
    return np.fromiter((xxh3_64_intdigest(one.encode()) for one in ids), dtype=np.uint64)


def order_hashes(user: NDArray[np.uint64], item: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """xxh3-64 of the 16 bytes that the hashes of a user and of an item are, little-endian: uint64 [n]."""
    low, high = user ^ _FLIP_LOW, item ^ _FLIP_HIGH
    mixed = low.byteswap()
    mixed += high
    mixed += _LENGTH
    mixed += _folded_product(low, high)
    mixed ^= mixed >> np.uint64(37)
    mixed *= _AVALANCHE
    mixed ^= mixed >> _HALF
    return mixed


def order_hash_of(users: pl.Series, items: pl.Series) -> NDArray[np.uint64]:
    """`order_hashes` of two columns of ids; a missing one counts as empty."""

    def hashes(ids: pl.Series) -> NDArray[np.uint64]:
        given = ids.fill_null("").to_frame("id")
        different = given.unique()
        known = different.with_columns(pl.Series("hash", id_hashes(different["id"])))
        return given.join(known, on="id", how="left", maintain_order="left")["hash"].to_numpy()

    return order_hashes(hashes(users), hashes(items))


def _folded_product(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The upper half of the 128-bit product xor the lower."""
    a_low, a_high, b_low, b_high = a & _LOW_HALF, a >> _HALF, b & _LOW_HALF, b >> _HALF
    lowest = a_low * b_low
    middle = a_high * b_low
    middle += lowest >> _HALF
    cross = a_low * b_high
    cross += middle & _LOW_HALF
    upper = a_high * b_high
    upper += middle >> _HALF
    upper += cross >> _HALF
    upper ^= (cross << _HALF) | (lowest & _LOW_HALF)
    return upper

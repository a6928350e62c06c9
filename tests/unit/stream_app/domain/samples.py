"""Domain values for tests, with everything that a test does not care about filled in."""

from __future__ import annotations

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import Interaction
from stream_app.domain.lists import GivenList
from stream_app.domain.messages import ModelRef, Role

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def interaction(
    item_id: str = "i",
    *,
    offset: int = 0,
    timestamp_ms: int = NOW_MS,
    type_code: int = 1,
    hash_: int | None = None,
    user: bytes = b"u",
) -> Interaction:
    """An event of a user; `hash_` stands in for the item's own where a test needs certain bytes."""
    found = item_hash(item_id) if hash_ is None else hash_
    return Interaction(offset, user, found, timestamp_ms, type_code, item_id)


def forget(*, offset: int = 0, timestamp_ms: int = NOW_MS) -> Interaction:
    return Interaction(offset, b"u", 0, timestamp_ms, 0, "")


def given_list(
    *hashes: int,
    offset: int = 0,
    epoch: int = 0,
    emitted_at_ms: int = NOW_MS,
    k: int = 10,
    version: str = "20231114-221320-4f2a",
    role: Role = "champion",
) -> GivenList:
    packed = b"".join(value.to_bytes(8, "little") for value in hashes)
    return GivenList(epoch, offset, emitted_at_ms, k, ModelRef(version, role), packed)

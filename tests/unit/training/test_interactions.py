"""A log in memory."""

from __future__ import annotations

from dataclasses import replace

from models.bundle.hashing import item_hash
from tests.unit.training.logs import START_MS, log_of

LOG = replace(
    log_of([("u", "a", "view", 0), ("v", "b", "like", 1), ("u", "b", "view", 2)]), offsets={"events/0": 3}
)


def test_events_are_what_a_worker_decodes() -> None:
    second = list(LOG.events())[1]
    assert (second.offset, second.user, second.item_id) == (1, b"v", "b")
    assert (second.item_hash, second.timestamp_ms, second.type_code) == (item_hash("b"), START_MS + 1000, 5)


def test_a_split_cuts_the_newest_part_off() -> None:
    older, newer = LOG.split(1 / 3)
    assert (len(older), len(newer)) == (2, 1)
    assert newer.timestamp_ms.tolist() == [START_MS + 2000]
    assert older.users == newer.users == LOG.users


def test_offsets_stay_with_the_end_of_the_log_alone() -> None:
    older, newer = LOG.split(1 / 3)
    assert older.offsets == {}
    assert newer.offsets == LOG.part(0, 3).offsets == {"events/0": 3}

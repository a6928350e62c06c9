"""Histories that nobody expects, packed as a worker stores them."""

from __future__ import annotations

from models.bundle.hashing import item_hash
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend

ITEMS, WINDOW = 60, 200
"""The items are i0 to i59; a stored window has so many events."""
START_MS = 1_700_000_000_000
ASKED_MS = START_MS + 10**9
UNKNOWN = "unknown items only"
ODD = {
    "one event": ["i3"],
    "10,000 events": [f"i{n % 50}" for n in range(10_000)],
    "one item repeated": ["i7"] * 300,
    UNKNOWN: [f"gone-{n}" for n in range(40)],
    "all at once and known": [f"i{n}" for n in range(ITEMS)],
}


def odd_records(*, step_ms: int) -> list[bytes]:
    """One of each kind of `ODD`, its events `step_ms` apart."""
    return [_packed(items, step_ms=step_ms) for items in ODD.values()]


def _packed(items: list[str], *, step_ms: int) -> bytes:
    events = [
        Interaction(n, b"u", item_hash(item), START_MS + n * step_ms, 2, item) for n, item in enumerate(items)
    ]
    record = extend(None, events, epoch=0, limit=WINDOW, max_age_ms=10**12)
    assert record is not None
    return record

"""Records as every version of the product has stored them: what is on users' disks stays readable.

`python -m tests.golden` writes the files of the formats of today. Those of earlier formats are never written
again: a new format gets new files, and code that reads the old ones.
"""

from __future__ import annotations

from pathlib import Path

from stream_app.domain import history, lists
from stream_app.domain.decoding import Interaction
from stream_app.domain.lists import GivenList
from stream_app.domain.messages import ModelRef

FOLDER = Path(__file__).parent


def golden_history() -> bytes:
    """Three interactions of one user; the last clock is behind."""
    events = [
        Interaction(offset, b"ann", item, moment, kind, name)
        for offset, item, name, kind, moment in (
            (4, 0x0102030405060708, "first", 1, 1_700_000_000_000),
            (9, 0xFFFFFFFFFFFFFFFF, "second", 5, 1_700_000_100_000),
            (12, 0x8000000000000001, "third", 2, 1_699_999_999_999),
        )
    ]
    record = history.extend(None, events, epoch=3, limit=200, max_age_ms=86_400_000)
    assert record is not None
    return record


GOLDEN_LISTS = (
    GivenList(3, 12, 1_700_000_100_005, 10, ModelRef("2026-01-02-modèle", "champion"), bytes(range(1, 17))),
    GivenList(3, 4, 1_700_000_000_005, 5, ModelRef("trending", "fallback"), bytes(range(101, 109))),
)


def golden_files() -> dict[str, bytes]:
    """The files of today's formats, by name."""
    return {
        f"history-{history.FORMAT}.bin": golden_history(),
        f"lists-{lists.FORMAT}.bin": lists.write(GOLDEN_LISTS),
    }

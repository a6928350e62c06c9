"""Logs made up for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.hashing import item_hash
from models.bundle.signature import EVENT_TYPES
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.decoding import Interaction
from stream_app.domain.history import extend
from training.evaluation.histories import Histories
from training.evaluation.ragged import ragged_of
from training.interactions import Interactions

START_MS = 1_700_000_000_000
SECOND_MS = 1000
DAY_MS = 86_400_000


def log_of(events: Sequence[tuple[str, str, str, int]]) -> Interactions:
    """A log from (user, item, type, seconds after the start), in order of arrival."""
    users = list(dict.fromkeys(event[0] for event in events))
    items = list(dict.fromkeys(event[1] for event in events))
    return Interactions(
        users=tuple(users),
        items=tuple(items),
        user=np.array([users.index(event[0]) for event in events], dtype=np.int32),
        item=np.array([items.index(event[1]) for event in events], dtype=np.int32),
        type_code=np.array([EVENT_TYPES.index(event[2]) for event in events], dtype=np.uint8),
        timestamp_ms=np.array([START_MS + event[3] * SECOND_MS for event in events], dtype=np.int64),
    )


def rows_of(log: Interactions) -> list[tuple[str, str, str, int]]:
    """User, item, type and time in ms of each interaction."""
    return [
        (log.users[user], log.items[item], EVENT_TYPES[code], int(at))
        for user, item, code, at in zip(log.user, log.item, log.type_code, log.timestamp_ms, strict=True)
    ]


def successors(*, users: int, events: int, items: int, seed: int = 0) -> Interactions:
    """Every user walks along one circle of items: after item i comes item i + 1, and nothing else tells.

    Users take turns, so that each one's events are spread over the whole log.
    """
    random = np.random.default_rng(seed)
    begin = random.integers(0, items, users)
    return log_of(
        [
            (f"u{user}", f"i{(begin[user] + turn) % items}", "view", turn * 60 + user)
            for turn in range(events)
            for user in range(users)
        ]
    )


def histories_of(
    log: Interactions,
    *histories: Sequence[str],
    users: Sequence[int] | None = None,
    earlier: Sequence[Sequence[str]] | None = None,
) -> Histories:
    """Users who viewed these items, one each second up to the log's last moment; `users` are their codes."""
    end_ms = int(log.timestamp_ms.max())
    records = []
    for items in histories:
        events = [
            Interaction(place, b"u", item_hash(item), end_ms - (len(items) - 1 - place) * SECOND_MS, 1, item)
            for place, item in enumerate(items)
        ]
        record = extend(None, events, epoch=0, limit=10_000, max_age_ms=1 << 60)
        assert record is not None
        records.append(record)
    return Histories(
        records=records,
        user=np.array(range(len(histories)) if users is None else users, dtype=np.int32),
        now_ms=np.full(len(histories), end_ms),
        catalogue=Vocabulary(log.items),
        earlier=None if earlier is None else ragged_of([_codes(log, items) for items in earlier]),
    )


def names_of(log: Interactions, lists: NDArray[np.int32]) -> list[list[str]]:
    """The items of lists [batch, k], by name, without the places that are empty."""
    return [[log.items[code] for code in row if code >= 0] for row in lists.tolist()]


def _codes(log: Interactions, items: Sequence[str]) -> list[int]:
    return [log.items.index(item) for item in items]

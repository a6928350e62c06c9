"""Logs made up for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.bundle.signature import EVENT_TYPES
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

"""For every message: a full example, what an absent field means, and values of each field that are wrong."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from stream_app.domain.messages import (
    Because,
    Event,
    EventPosition,
    Item,
    ModelAnnouncement,
    ModelRef,
    Outcome,
    Recommendation,
    RecommendedItem,
    Trigger,
)

_MODEL = {"version": "20231114-221320-4f2a", "role": "champion"}
_POSITION = {"topic": "events", "partition": 3, "offset": 17, "epoch": 2}
_TRIGGER = {"event_ids": ["e1", "e2"], **_POSITION}
_BECAUSE = {"item_id": "i0", "weight": 0.25}
_PLACE = {"item_id": "i1", "score": 1.5, "because": [_BECAUSE], "propensity": 0.5}

FULL: dict[type[Struct], dict[str, Any]] = {
    Event: {
        "user_id": "u1",
        "type": "like",
        "item_id": "i1",
        "timestamp": 1_700_000_000_000,
        "event_id": "e1",
        "context": {"device": "tv", "hour": 20, "volume": 0.5, "alone": True},
    },
    Item: {
        "item_id": "i1",
        "title": "Metropolis",
        "domain": "films",
        "categories": ["Sci-Fi", "Drama"],
        "available": False,
        "published_at": -1_356_998_400_000,
        "features": {"language": "de", "year": 1927.0},
        "embedding": [0.5, -1.0],
    },
    Because: _BECAUSE,
    RecommendedItem: _PLACE,
    ModelRef: _MODEL,
    Trigger: _TRIGGER,
    Recommendation: {
        "user_id": "u1",
        "items": [_PLACE],
        "model": _MODEL,
        "trigger": _TRIGGER,
        "history_length": 12,
        "event_timestamp": 1_700_000_000_000,
        "emitted_at": 1_700_000_000_005,
        "experiment": "more-drama",
    },
    EventPosition: _POSITION,
    Outcome: {
        "user_id": "u1",
        "item_id": "i1",
        "type": "like",
        "rank": 3,
        "k": 10,
        "model": _MODEL,
        "age_ms": 4_000,
        "event": _POSITION,
        "list_offset": 12,
    },
    ModelAnnouncement: {
        "version": "20231114-221320-4f2a",
        "uri": "s3://models/20231114-221320-4f2a",
        "sha256": "00ff",
        "role": "challenger",
        "announced_at": 1_700_000_000_000,
        "share": 0.25,
    },
}

ABSENT: dict[type[Struct], dict[str, Any]] = {
    Trigger: {"epoch": 0},
    EventPosition: {"epoch": 0},
    Event: {"item_id": None, "timestamp": None, "event_id": None, "context": None},
    Item: {
        "title": None,
        "domain": None,
        "categories": (),
        "available": True,
        "published_at": None,
        "features": {},
        "embedding": None,
    },
    RecommendedItem: {"propensity": None},
    Recommendation: {"experiment": None},
    ModelAnnouncement: {"share": None},
}
"""The value of each field that may be absent; every other field is required."""

_NO_TEXT: list[Any] = [7, True, ["a"], {}]
_NO_NUMBER: list[Any] = ["1", True, [], {}]
_NO_WHOLE_NUMBER: list[Any] = [*_NO_NUMBER, 0.5]
_NO_OBJECT: list[Any] = ["a", 7, []]
_NO_LIST: list[Any] = ["a", 7, {}]

WRONG: dict[type[Struct], dict[str, list[Any]]] = {
    Event: {
        "user_id": [*_NO_TEXT, None, ""],
        "type": [*_NO_TEXT, None, "", "watch", "padding", "View"],
        "item_id": _NO_TEXT,
        "timestamp": [*_NO_WHOLE_NUMBER, 1.7e12],
        "event_id": _NO_TEXT,
        "context": [*_NO_OBJECT, {"a": None}, {"a": []}, {"a": {}}],
    },
    Item: {
        "item_id": [*_NO_TEXT, None, ""],
        "title": _NO_TEXT,
        "domain": _NO_TEXT,
        "categories": [*_NO_LIST, None, [1]],
        "available": [0, 1, "true", None],
        "published_at": _NO_WHOLE_NUMBER,
        "features": [*_NO_OBJECT, None, {"a": None}, {"a": True}, {"a": []}],
        "embedding": [*_NO_LIST, ["1"], [None]],
    },
    Because: {"item_id": [*_NO_TEXT, None], "weight": [*_NO_NUMBER, None]},
    RecommendedItem: {
        "item_id": [*_NO_TEXT, None],
        "score": [*_NO_NUMBER, None],
        "because": [*_NO_LIST, None, [{}], [{"item_id": "a"}]],
        "propensity": _NO_NUMBER,
    },
    ModelRef: {"version": [*_NO_TEXT, None], "role": [*_NO_TEXT, None, "retired", ""]},
    Trigger: {
        "event_ids": [*_NO_LIST, None, [1]],
        "topic": [*_NO_TEXT, None],
        "partition": [*_NO_WHOLE_NUMBER, None],
        "offset": [*_NO_WHOLE_NUMBER, None],
        "epoch": [*_NO_WHOLE_NUMBER, None],
    },
    Recommendation: {
        "user_id": [*_NO_TEXT, None],
        "items": [*_NO_LIST, None, [{}]],
        "model": [*_NO_OBJECT, None, {}],
        "trigger": [*_NO_OBJECT, None, {}],
        "history_length": [*_NO_WHOLE_NUMBER, None],
        "event_timestamp": [*_NO_WHOLE_NUMBER, None],
        "emitted_at": [*_NO_WHOLE_NUMBER, None],
        "experiment": _NO_TEXT,
    },
    EventPosition: {
        "topic": [*_NO_TEXT, None],
        "partition": [*_NO_WHOLE_NUMBER, None],
        "offset": [*_NO_WHOLE_NUMBER, None],
        "epoch": [*_NO_WHOLE_NUMBER, None],
    },
    Outcome: {
        "user_id": [*_NO_TEXT, None],
        "item_id": [*_NO_TEXT, None],
        "type": [*_NO_TEXT, None],
        "rank": _NO_WHOLE_NUMBER,
        "k": [*_NO_WHOLE_NUMBER, None],
        "model": [*_NO_OBJECT, None, {}],
        "age_ms": [*_NO_WHOLE_NUMBER, None],
        "event": [*_NO_OBJECT, None, {}],
        "list_offset": [*_NO_WHOLE_NUMBER, None],
    },
    ModelAnnouncement: {
        "version": [*_NO_TEXT, None],
        "uri": [*_NO_TEXT, None],
        "sha256": [*_NO_TEXT, None],
        "role": [*_NO_TEXT, None, "fallback", ""],
        "announced_at": [*_NO_WHOLE_NUMBER, None],
        "share": [*_NO_NUMBER, -0.1, 1.1],
    },
}

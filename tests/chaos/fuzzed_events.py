"""Bad events of every kind that came to mind, with the field that is at fault; good ones that look bad."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.event_stream import Pair


class Bad(NamedTuple):
    """A bad event, and what its dead letter may name as `error-field`."""

    pair: Pair
    fields: frozenset[str]


Make = Callable[[random.Random], Bad]
KEY = b"fuzz"


def _valid(chance: random.Random) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {
        "user_id": "fuzz",
        "item_id": f"item-{chance.randrange(400)}",
        "type": "click",
        "timestamp": now_ms - chance.randrange(1_000_000),
    }


def _with(chance: random.Random, **fields: Any) -> Pair:
    return KEY, json.dumps(_valid(chance) | fields).encode()


def _bad(pair: Pair, *fields: str) -> Bad:
    return Bad(pair, frozenset(fields))


def _random_bytes(chance: random.Random) -> Bad:
    return _bad((KEY, b"\x00" + chance.randbytes(chance.randrange(200))), "value")


def _cut_json(chance: random.Random) -> Bad:
    value = json.dumps(_valid(chance)).encode()
    return _bad((KEY, value[: chance.randrange(1, len(value))]), "value")


def _wrong_key(chance: random.Random) -> Bad:
    key = chance.choice([None, b"", b'"fuzz"', b"Fuzz", b"fuzz\x00", b"\xff\xfe", chance.randbytes(8)])
    return _bad((key, _with(chance)[1]), "key")


def _wrong_field(chance: random.Random) -> Bad:
    other = "\x00" * 300
    nonsense = [None, True, 1.5, [], {}, [[]], "", other, 10**30, -1, 1_700_000_000]
    field, value = chance.choice(["user_id", "type", "item_id"]), chance.choice(nonsense)
    # A user of that name there may be, too long though it is: but the key is of another.
    at_fault = "key" if (field, value) == ("user_id", other) else field
    return _bad(_with(chance, **{field: value}), at_fault)


def _wrong_time(chance: random.Random) -> Bad:
    later = time.time_ns() // 1_000_000 + 90_000_000
    times = [0, -1, 1_700_000_000, 10**30, -(10**30), 1.5, "now", True, [], later, 2**63, 2**64]
    return _bad(_with(chance, timestamp=chance.choice(times)), "timestamp")


def _deep(chance: random.Random) -> Bad:
    depth = chance.choice([2_000, 20_000, 100_000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    nested = opening * depth + b"1" + closing * depth
    if chance.random() < 0.5:
        # An object so deep may be passed over as an unknown field; then the first that is missing is named.
        return _bad((KEY, nested), *(["value"] if opening == b"[" else ["value", "user_id"]))
    return _bad((KEY, b'{"context":' + nested + b"}"), "context")


def _surrogates(chance: random.Random) -> Bad:
    value = _with(chance, item_id="@")[1]
    assert value is not None
    wrong = chance.choice([b"\\ud800", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xc0\xaf"])
    return _bad((KEY, value.replace(b"@", wrong)), "value")


def _long_ids(chance: random.Random) -> Bad:
    user = "u" * 257
    long_user = _bad((user.encode(), _with(chance, user_id=user)[1]), "user_id")
    return chance.choice([long_user, _bad(_with(chance, item_id="ä" * 129), "item_id")])


def _huge(chance: random.Random) -> Bad:
    return _bad(_with(chance, item_id="x" * chance.choice([1_000, 100_000, 900_000])), "item_id")


def _other_json(chance: random.Random) -> Bad:
    no_events = [b"", b"null", b"0", b'"click"', b"[]", b"{}", b"NaN", b"\xef\xbb\xbf{}", b"{}{}"]
    value = chance.choice(no_events)
    first_missing = {b"{}": ["user_id"], b"{}{}": ["user_id", "value"]}
    return _bad((KEY, value), *first_missing.get(value, ["value"]))


def _nothing(chance: random.Random) -> Bad:
    return _bad((KEY, None), "value")


COMMON: tuple[Make, ...] = (
    _random_bytes, _cut_json, _wrong_key, _wrong_field, _wrong_time, _surrogates, _long_ids, _other_json,
    _nothing,
)  # fmt: skip
LARGE: tuple[Make, ...] = (_deep, _huge)


def bad_events(count: int, *, seed: int, large_every: int = 200) -> list[Bad]:
    """Events that are bad for certain; a few of them are large."""
    chance = random.Random(seed)
    kinds = [LARGE if number % large_every == 0 else COMMON for number in range(count)]
    return [chance.choice(kind)(chance) for kind in kinds]


def mutated_events(count: int, *, seed: int) -> list[Pair]:
    """Valid events with a few bytes changed: nobody knows which of them are still good."""
    chance = random.Random(seed)
    pairs = []
    for _ in range(count):
        value = bytearray(json.dumps(_valid(chance)).encode())
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(value))
            what = chance.randrange(3)
            if what == 0:
                value[at] = chance.randrange(256)
            elif what == 1:
                del value[at]
            else:
                value.insert(at, chance.randrange(256))
        pairs.append((KEY, bytes(value)))
    return pairs


def strange_but_good_events() -> list[dict[str, Any]]:
    """Ids that are allowed, and that something on the way might stumble over."""
    now_ms = time.time_ns() // 1_000_000
    ids = [
        "__faust\0offset__",
        "\0",
        " ",
        "\n",
        "ä" * 128,
        "x" * 256,
        "🦜",
        "null",
        "0",
        '"',
        "\\",
        "a/b",
        "../../x",
    ]
    common = {"type": "view", "timestamp": now_ms}
    return [
        {"user_id": name, "item_id": name, "event_id": f"strange-{number}"} | common
        for number, name in enumerate(ids)
    ]

"""Bad events of every kind that came to mind, and good ones that look bad."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

from tests.event_stream import Pair

Make = Callable[[random.Random], Pair]
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


def _random_bytes(chance: random.Random) -> Pair:
    return KEY, b"\x00" + chance.randbytes(chance.randrange(200))


def _cut_json(chance: random.Random) -> Pair:
    value = json.dumps(_valid(chance)).encode()
    return KEY, value[: chance.randrange(1, len(value))]


def _wrong_key(chance: random.Random) -> Pair:
    key = chance.choice([None, b"", b'"fuzz"', b"Fuzz", b"fuzz\x00", b"\xff\xfe", chance.randbytes(8)])
    return key, _with(chance)[1]


def _wrong_field(chance: random.Random) -> Pair:
    nonsense = [None, True, 1.5, [], {}, [[]], "", "\x00" * 300, 10**30, -1, 1_700_000_000]
    field = chance.choice(["user_id", "type", "item_id"])
    return _with(chance, **{field: chance.choice(nonsense)})


def _wrong_time(chance: random.Random) -> Pair:
    later = time.time_ns() // 1_000_000 + 90_000_000
    times = [0, -1, 1_700_000_000, 10**30, -(10**30), 1.5, "now", True, [], later, 2**63, 2**64]
    return _with(chance, timestamp=chance.choice(times))


def _deep(chance: random.Random) -> Pair:
    depth = chance.choice([2_000, 20_000, 100_000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    nested = opening * depth + b"1" + closing * depth
    value = nested if chance.random() < 0.5 else b'{"context":' + nested + b"}"
    return KEY, value


def _surrogates(chance: random.Random) -> Pair:
    value = _with(chance, item_id="@")[1]
    return KEY, value.replace(
        b"@", chance.choice([b"\\ud800", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xc0\xaf"])
    )


def _long_ids(chance: random.Random) -> Pair:
    user = "u" * 257
    return chance.choice([(user.encode(), _with(chance, user_id=user)[1]), _with(chance, item_id="ä" * 129)])


def _huge(chance: random.Random) -> Pair:
    return _with(chance, item_id="x" * chance.choice([1_000, 100_000, 900_000]))


def _other_json(chance: random.Random) -> Pair:
    return KEY, chance.choice(
        [b"", b"null", b"0", b'"click"', b"[]", b"{}", b"NaN", b"\xef\xbb\xbf{}", b"{}{}"]
    )


def _nothing(chance: random.Random) -> Pair:
    return KEY, None


COMMON: tuple[Make, ...] = (
    _random_bytes, _cut_json, _wrong_key, _wrong_field, _wrong_time, _surrogates, _long_ids, _other_json,
    _nothing,
)  # fmt: skip
LARGE: tuple[Make, ...] = (_deep, _huge)


def bad_events(count: int, *, seed: int) -> list[Pair]:
    """Events that are bad for certain; a few of them are large."""
    chance = random.Random(seed)
    kinds = [LARGE if number % 200 == 0 else COMMON for number in range(count)]
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

"""Sequences are the same, however many rows are sorted at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle.vocabulary import Vocabulary
from training import long_columns
from training.dataset import Sequences, write_sequences
from training.interactions import Interactions


def _log(seed: int, *, events: int, users: int) -> Interactions:
    """Users with many events, with one, and with none; clocks that go back."""
    random = np.random.default_rng(seed)
    return Interactions(
        users=tuple(f"u{user}" for user in range(users)),
        items=tuple("abcdefg"),
        user=np.minimum(random.zipf(1.3, events) * 3 % (users + 5), users - 2).astype(np.int32),
        item=random.integers(0, 7, events).astype(np.int32),
        type_code=random.integers(1, 4, events).astype(np.uint8),
        timestamp_ms=np.cumsum(random.integers(-5, 9, events)).astype(np.int64),
        context=random.integers(0, 4097, (events, 2)).astype(np.int16),
    )


def _plainly(log: Interactions, vocabulary: Vocabulary) -> dict[str, list[Any]]:
    assert log.context is not None
    columns: dict[str, list[Any]] = {name: [] for name in Sequences.__dataclass_fields__}
    for user in range(len(log.users)):
        events = np.flatnonzero(log.user == user).tolist()
        if events:
            columns["start"].append(len(columns["row"]))
        for number, event in enumerate(events):
            columns["row"].append(vocabulary.row(log.items[log.item[event]]))
            columns["type_code"].append(int(log.type_code[event]))
            columns["context"].append(log.context[event].tolist())
            columns["timestamp_ms"].append(int(log.timestamp_ms[event]))
            columns["newest_ms"].append(int(log.timestamp_ms[events[: number + 1]].max()))
    columns["start"].append(len(columns["row"]))
    return columns


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 17, 100, 10_000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_column_is_what_a_loop_over_users_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int, seed: int
) -> None:
    monkeypatch.setattr(long_columns, "ROWS_AT_A_TIME", rows_at_a_time)
    log, vocabulary = _log(seed, events=400, users=60), Vocabulary("gfdca")
    sequences = write_sequences(log, vocabulary, tmp_path)
    for name, expected in _plainly(log, vocabulary).items():
        assert getattr(sequences, name).tolist() == expected, name
    dtypes = {name: getattr(sequences, name).dtype.name for name in Sequences.__dataclass_fields__}
    assert dtypes == {
        "row": "int32", "type_code": "uint8", "timestamp_ms": "int64", "newest_ms": "int64", "start": "int64",
        "context": "int16",
    }  # fmt: skip


def test_more_users_than_sixteen_bits_can_number(tmp_path: Path) -> None:
    users = 70_000
    log = Interactions(
        users=tuple(map(str, range(users))),
        items=("a",),
        user=np.tile(np.arange(users, dtype=np.int32)[::-1], 2),
        item=np.zeros(2 * users, dtype=np.int32),
        type_code=np.ones(2 * users, dtype=np.uint8),
        timestamp_ms=np.arange(2 * users, dtype=np.int64),
    )
    sequences = write_sequences(log, Vocabulary("a"), tmp_path)
    np.testing.assert_array_equal(sequences.start, np.arange(0, 2 * users + 1, 2))
    first = np.arange(users)[::-1]
    np.testing.assert_array_equal(sequences.timestamp_ms, np.stack([first, first + users], axis=1).ravel())


@pytest.mark.parametrize("users", [0, 3])
def test_an_empty_log_has_no_sequences(tmp_path: Path, users: int) -> None:
    none = _log(0, events=1, users=60).part(0, 0)
    log = Interactions(
        users=tuple("abc"[:users]),
        items=none.items,
        user=none.user,
        item=none.item,
        type_code=none.type_code,
        timestamp_ms=none.timestamp_ms,
    )
    sequences = write_sequences(log, Vocabulary("a"), tmp_path)
    assert sequences.start.tolist() == [0] and len(sequences.row) == 0

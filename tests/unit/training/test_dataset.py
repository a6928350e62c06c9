"""Windows to train on are what the worker stores and encodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import encode
from stream_app.domain.history import extend
from tests.unit.training.logs import DAY_MS, SECOND_MS, START_MS, log_of
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.interactions import Interactions
from training.windows import cut_windows, plan_windows

RULES = HistoryRules(max_length=5, history_limit=8, max_age_ms=10 * DAY_MS)
DAY_S = DAY_MS // SECOND_MS


def _random_log(seed: int) -> Interactions:
    """Few and many events a user, long pauses, equal times, now and then a clock a little behind."""
    random = np.random.default_rng(seed)
    clocks = dict.fromkeys("abcd", 0)
    events = []
    for _ in range(300):
        user = str(random.choice(list("abcd"), p=[0.6, 0.25, 0.1, 0.05]))
        clocks[user] += int(random.choice([0, 5, 3600, DAY_S, 12 * DAY_S], p=[0.2, 0.4, 0.3, 0.08, 0.02]))
        late = int(random.choice([0, 30], p=[0.9, 0.1]))
        kind = str(random.choice(["view", "like", "dislike", "purchase"]))
        events.append((user, f"i{random.integers(0, 30)}", kind, max(clocks[user] - late, 0)))
    return log_of(events)


@pytest.mark.parametrize("seed", range(5))
def test_every_window_equals_what_the_worker_encodes(tmp_path: Path, seed: int) -> None:
    log = _random_log(seed)
    # Some items are unknown: they are dropped before the last L are taken, online and offline.
    vocabulary = Vocabulary([item for item in log.items if item not in ("i3", "i4", "i5")])
    sequences = write_sequences(log, vocabulary, tmp_path)
    records: dict[bytes, bytes | None] = {}
    encoded, place = [], []
    position_of_user = dict(zip(log.users, sequences.start[:-1].tolist(), strict=True))
    for event in log.events():
        record = extend(
            records.get(event.user),
            [event],
            epoch=0,
            limit=RULES.history_limit,
            max_age_ms=RULES.max_age_ms,
        )
        assert record is not None
        records[event.user] = record
        encoded.append(encode([record], [event.timestamp_ms], vocabulary, max_length=RULES.max_length))
        place.append(position_of_user[event.user.decode()])
        position_of_user[event.user.decode()] += 1
    followed = [i for i, at in enumerate(place) if at + 1 not in sequences.start]
    plan = np.array([[place[i], 1] for i in followed])
    windows = cut_windows(sequences, plan, RULES)
    for row, i in enumerate(followed):
        np.testing.assert_array_equal(windows.item_ids[row], encoded[i].item_ids[0])
        np.testing.assert_array_equal(windows.event_types[row], encoded[i].event_types[0])
        np.testing.assert_array_equal(windows.time_deltas[row], encoded[i].time_deltas[0])


def test_a_position_learns_the_next_event_and_a_dislike_is_no_target(tmp_path: Path) -> None:
    log = log_of(
        [("u", "a", "view", 0), ("u", "b", "dislike", 1), ("u", "c", "like", 2), ("u", "d", "view", 3)]
    )
    sequences = write_sequences(log, Vocabulary("abcd"), tmp_path)
    windows = cut_windows(sequences, plan_windows(sequences, RULES), RULES)
    assert windows.item_ids.tolist() == [[0, 0, 1, 2, 3]]
    assert windows.targets.tolist() == [[0, 0, 0, 3, 4]]  # the dislike of b is input alone


def test_deltas_are_from_the_last_event_of_the_window_and_not_from_its_target(tmp_path: Path) -> None:
    log = log_of([("u", "a", "view", 0), ("u", "b", "view", 10), ("u", "c", "view", 1_000_000)])
    sequences = write_sequences(log, Vocabulary("abc"), tmp_path)
    windows = cut_windows(sequences, plan_windows(sequences, RULES), RULES)
    assert windows.time_deltas.tolist() == [[0, 0, 0, 10, 0]]
    assert windows.target_ms[0, -1] == START_MS + 1_000_000 * SECOND_MS


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("pause_s", [1, 3 * DAY_S, 7 * DAY_S, 40 * DAY_S])
@pytest.mark.parametrize("rules", [RULES, replace(RULES, history_limit=3)])
def test_every_event_but_a_users_first_is_a_target_once(
    tmp_path: Path, seed: int | None, pause_s: int, rules: HistoryRules
) -> None:
    """However old the one before it is by the end of a window: by then it may be forgotten."""
    log = log_of([("abc"[i % 3] if i > 4 else "a", f"i{i}", "view", i * pause_s // 3) for i in range(60)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    random = None if seed is None else np.random.default_rng(seed)
    plan = plan_windows(sequences, rules, random=random)
    windows = cut_windows(sequences, plan, rules)
    assert plan[:, 1].min() >= 1 and plan[:, 1].max() <= min(rules.max_length, rules.history_limit)
    targets = windows.targets[windows.targets > 0]
    firsts = {int(sequences.row[start]) for start in sequences.start[:-1]}
    assert sorted(targets.tolist()) == sorted(set(range(1, 61)) - firsts)


def test_no_more_windows_than_needed(tmp_path: Path) -> None:
    # Of eleven positions five learn at most; of a visit of three, the pause before it is longer than memory.
    day_of_event = [*range(12), *(40 + n for n in range(3))]
    log = log_of([("u", f"i{n}", "view", day * DAY_S // 2) for n, day in enumerate(day_of_event)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    plan = plan_windows(sequences, RULES)
    assert plan.tolist() == [[13, 2], [11, 5], [6, 5], [1, 2]]


def test_an_old_stretch_too_is_cut_at_other_places_in_every_epoch(tmp_path: Path) -> None:
    day_of_event = [*[0] * 30, *[40] * 3]
    log = log_of([("u", f"i{n}", "view", day * DAY_S) for n, day in enumerate(day_of_event)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    cuts = set()
    for epoch in range(20):
        plan = plan_windows(sequences, RULES, random=np.random.default_rng(epoch))
        newest, *old = plan.tolist()
        assert newest == [31, 2]  # a stretch that one window holds stays whole
        assert 6 <= len(old) <= 7
        cuts.add(tuple(last for last, _ in old[1:]))
    assert len(cuts) == 5


def test_a_clock_that_goes_back_loses_no_more_than_it_must(tmp_path: Path) -> None:
    sent_s = [0, 5 * DAY_S, 3 * DAY_S, 6 * DAY_S, 5 * DAY_S, 7 * DAY_S]
    log = log_of([("u", f"i{n}", "view", at_s) for n, at_s in enumerate(sent_s)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    windows = cut_windows(sequences, plan_windows(sequences, RULES), RULES)
    assert sorted(windows.targets[windows.targets > 0].tolist()) == [2, 3, 4, 5, 6]


def test_a_user_with_one_event_has_no_window(tmp_path: Path) -> None:
    log = log_of([("u", "a", "view", 0), ("v", "a", "view", 1)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    assert plan_windows(sequences, RULES).shape == (0, 2)


def test_columns_are_mapped_from_disk(tmp_path: Path) -> None:
    log = replace(_random_log(0), context=np.ones((len(_random_log(0)), 2), dtype=np.int16))
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    assert all(isinstance(getattr(sequences, name), np.memmap) for name in Sequences.__dataclass_fields__)


def test_frequent_items_come_first_and_rare_ones_may_be_left_out() -> None:
    log = log_of([("u", item, "view", i) for i, item in enumerate("abbccd")])
    assert vocabulary_of(log).item_ids == ("b", "c", "a", "d")
    assert vocabulary_of(log, least_count=2).item_ids == ("b", "c")

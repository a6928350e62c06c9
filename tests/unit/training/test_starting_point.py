"""What counting alone tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.unit.training.logs import log_of
from training import long_columns
from training.dataset import HistoryRules, vocabulary_of, write_sequences
from training.starting_point import learnt_events, learnt_pairs, popularity_bias, spectral_vectors


def test_the_bias_is_the_log_of_the_share() -> None:
    shares = popularity_bias(np.array([60.0, 30.0, 10.0])).exp()
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=2e-3)


def test_items_of_the_same_users_start_close_to_each_other() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    # Users of even number choose among items 0–19, the others among 20–39.
    user = np.repeat(np.arange(60, dtype=np.int32), 10)
    item = (random.integers(0, 20, 600) + 20 * (user % 2)).astype(np.int32)
    vectors = spectral_vectors(user, item, items=40, width=8, scale=0.1)
    alike = F.normalize(vectors, dim=1) @ F.normalize(vectors, dim=1).T
    within, between = alike[:20, :20].mean(), alike[:20, 20:].mean()
    assert within > between + 0.2
    assert vectors.shape == (40, 8)
    torch.testing.assert_close(vectors.square().mean().sqrt(), torch.tensor(0.1), atol=0.02, rtol=0)


def test_fewer_items_than_columns_are_no_hindrance() -> None:
    vectors = spectral_vectors(
        np.zeros(2, np.int32), np.array([0, 1], np.int32), items=2, width=16, scale=0.1
    )
    assert vectors.shape == (2, 16)
    assert torch.isfinite(vectors).all()


@pytest.mark.parametrize("rows_at_a_time", [1, 3, 1000])
def test_what_is_learnt_is_counted_piece_by_piece(
    rows_at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_columns, "ROWS_AT_A_TIME", rows_at_a_time)
    log = log_of(
        [("u", "a", "view", 0), ("v", "b", "view", 1), ("u", "b", "dislike", 2), ("u", "b", "view", 3)]
    )
    vocabulary = vocabulary_of(log)  # b, then a
    sequences = write_sequences(log, vocabulary, tmp_path)
    views = HistoryRules(positive_types=("view",)).positive_codes
    every = learnt_events(sequences, None, codes=views, items=2)
    assert (every.counts.tolist(), every.follows) == ([2, 1], True)
    # u's last event held out: what is left of the views are the first ones of u and of v.
    held_out = np.array([False, False, True, False])
    part = learnt_events(sequences, held_out, codes=views, items=2)
    assert (part.counts.tolist(), part.follows) == ([1, 1], False)


@pytest.mark.parametrize("most", [1000, 150])
def test_of_very_many_pairs_some_are_taken_and_none_that_is_held_out(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.starting_point._MOST_PAIRS", most)
    log = log_of([(f"u{moment % 7}", f"i{moment % 11}", "view", moment) for moment in range(300)])
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    held_out = np.arange(300) % 3 == 0
    user, item = learnt_pairs(sequences, held_out)
    plainly = np.repeat(np.arange(7), np.diff(sequences.start))
    if most > 300:
        np.testing.assert_array_equal(user, plainly[~held_out])
        np.testing.assert_array_equal(item, sequences.row[~held_out] - 1)
    assert 60 <= len(user) <= most
    allowed = set(zip(plainly[~held_out].tolist(), (sequences.row[~held_out] - 1).tolist(), strict=True))
    assert set(zip(user.tolist(), item.tolist(), strict=True)) <= allowed

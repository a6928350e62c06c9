"""What counting alone tells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.starting_point import popularity_bias, spectral_vectors


def test_the_bias_is_the_log_of_the_share() -> None:
    shares = popularity_bias(np.array([60.0, 30.0, 10.0])).exp()
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=2e-3)


@pytest.mark.parametrize("most", [1_000, 400])
def test_items_of_the_same_users_start_close_to_each_other(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.starting_point._MOST_PAIRS", most)  # of 600
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    # Users of even number choose among items 0–19, the others among 20–39.
    user = np.repeat(np.arange(60, dtype=np.int32), 10)
    item = (random.integers(0, 20, 600) + 20 * (user % 2)).astype(np.int32)
    decompose, counts = torch.svd_lowrank, list[int]()

    def counted(pairs: torch.Tensor, **options: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        counts.append(pairs._nnz())
        return decompose(pairs, **options)

    monkeypatch.setattr(torch, "svd_lowrank", counted)
    vectors = spectral_vectors(user, item, items=40, width=8, scale=0.1)
    assert 0 < counts[0] <= most
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

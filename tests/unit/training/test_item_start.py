"""What counting tells of items' fields before anything is learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from models.bundle.item_features import item_inputs, learn_schema
from models.item_tower import ItemTower
from stream_app.domain.messages import Item
from tests.unit.training.logs import log_of
from training.item_start import TowerConfig, known_items, sparse_ridge
from training.untouched_bias import poisson_regression, settle_untouched_bias


def test_the_ridge_is_that_of_the_closed_formula() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(30, 8) * (torch.rand(30, 8) < 0.4)
    wanted, weight = torch.randn(30, 3), torch.rand(30, 1)
    expected = torch.linalg.solve(
        matrix.T @ (weight * matrix) + 0.3 * torch.eye(8), matrix.T @ (weight * wanted)
    )
    found = sparse_ridge(matrix.to_sparse_csr(), wanted, weight=weight, ridge=0.3)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_an_item_that_hardly_occurred_starts_near_its_kind_and_a_frequent_one_at_its_own_vector() -> None:
    items = [Item(item_id=str(n), categories=("a" if n < 20 else "b",)) for n in range(40)]
    torch.manual_seed(0)
    kinds = torch.cat([torch.full((20, 1), 0.1), torch.full((20, 1), -0.1)]) * torch.ones(1, 8)
    vectors = kinds + 0.02 * torch.randn(40, 8)
    vectors[0] = torch.tensor([0.2, -0.2] * 4)
    vectors[1] = vectors[0]
    counts = np.full(40, 50.0)
    counts[0], counts[1] = 0.0, 5000.0
    known = known_items(items, learn_schema(items), vectors=vectors, counts=counts, config=TowerConfig())
    found, weights = known.finished(vectors)
    assert weights[0, 0] < 0.1 and weights[1, 0] > 0.99
    torch.testing.assert_close(found[1], vectors[1], atol=0.01, rtol=0)
    assert torch.nn.functional.cosine_similarity(found[0], kinds[0], dim=0) > 0.9


def test_a_poisson_regression_finds_the_rates_it_was_drawn_from() -> None:
    random = np.random.default_rng(0)
    marked = random.integers(0, 2, 4000)
    count = random.poisson(100 * np.exp(-4.0 + 1.5 * marked))
    base, slopes = poisson_regression(
        csr_array(marked[:, None].astype(float)), count, np.full(4000, 100.0), ridge=1e-3
    )
    assert base == pytest.approx(-4.0, abs=0.05)
    assert slopes[0] == pytest.approx(1.5, abs=0.05)


def test_the_bias_of_untouched_items_is_their_share_of_the_log_by_their_fields() -> None:
    # From the 70th event on each new event is of a new film; of the old ones that are left nobody takes one.
    names = [f"i{n % 10}" for n in range(70)] + [f"new{n}" for n in range(30)]
    log = log_of([("u", name, "view", place) for place, name in enumerate(names)])
    items = {name: Item(item_id=name, categories=(name.rstrip("0123456789"),)) for name in names}
    items |= {f"left{n}": Item(item_id=f"left{n}", categories=("i",)) for n in range(30)}
    schema = learn_schema(items.values())
    tower = ItemTower(schema, width=4)
    settle_untouched_bias(tower, log, items, added=0.0)
    inputs = item_inputs([items["new0"], items["left0"]], schema)
    arrays = (inputs.field_tokens, inputs.numbers, inputs.embedding, inputs.field_mask)
    new, left = tower(*map(torch.from_numpy, arrays))[1].tolist()
    # At the three cuts 30, 20 and 10 new films are left, ten of them taken: 30 of 60, each 1 event of 10.
    assert new == pytest.approx(math.log(0.5 / 10), abs=0.3)
    assert left < new - 2


def test_where_nothing_new_was_ever_taken_an_untouched_item_has_half_an_event() -> None:
    log = log_of([("u", f"i{n % 5}", "view", n) for n in range(50)])
    items = {"x": Item(item_id="x", title="x")}
    tower = ItemTower(learn_schema(items.values()), width=4)
    settle_untouched_bias(tower, log, items, added=0.25)
    assert float(tower.typical_bias) == pytest.approx(math.log(0.5 / 50) + 0.25)
    assert not tower.tokens[:, -1].any()

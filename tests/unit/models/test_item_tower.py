from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.item_features import FeatureSchema, ItemInputs, NumberScale, item_inputs, learn_schema
from models.item_tower import ItemTower, attend, number_basis, unit_embedding
from models.known_items import KnownItems, token_averages, transposed
from stream_app.domain.messages import Item

ITEMS = [
    Item(item_id="a", title="Alien", categories=("Horror", "Sci-Fi"), features={"year": 1979.0}),
    Item(item_id="b", title="Aliens 🎬", categories=("Sci-Fi",), embedding=(3.0, 4.0)),
    Item(item_id="c", title="الغريب", features={"year": math.nan}),
    Item(item_id="d", title="異形", categories=tuple(f"c{n}" for n in range(10_000))),
    Item(item_id="e"),
    Item(item_id="f", title="", categories=("",), embedding=(math.nan, 1.0)),
]
WIDTH = 4


def tower_of(items: list[Item], *, seed: int = 0) -> ItemTower:
    """With weights that nothing hides behind."""
    torch.manual_seed(seed)
    tower = ItemTower(learn_schema(items), width=WIDTH)
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        tower.typical_bias.fill_(-7.0)
    return tower


def run(tower: ItemTower, inputs: ItemInputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    arrays = (inputs.field_tokens, inputs.numbers, inputs.embedding, inputs.field_mask)
    with torch.inference_mode():
        return tower.eval()(*map(torch.from_numpy, arrays))


def test_attention_over_fields_by_hand() -> None:
    fields = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    scores = torch.tensor([[math.log(3.0), 0.0, 50.0]])
    vector, weights = attend(fields, scores, torch.tensor([[True, True, False]]))
    # e^(log 3) : e^0 = 3 : 1; the third is masked, whatever its score.
    torch.testing.assert_close(weights, torch.tensor([[0.75, 0.25, 0.0]]))
    torch.testing.assert_close(vector, torch.tensor([[0.75, 0.5]]))


def test_a_tower_by_hand() -> None:
    schema = FeatureSchema(
        fields=("categories", "numbers", "embedding"),
        tokens=2,
        buckets=2,
        numbers=(NumberScale(name="year"),),
        embedding_length=2,
    )
    tower = ItemTower(schema, width=1)
    with torch.no_grad():
        tower.tokens.copy_(torch.tensor([[9.0, 9.0], [1.0, 0.2], [3.0, 0.4]]))
        tower.numbers[0] = torch.tensor([9.0, 0.0])  # the number as it is, a ninth of it
        tower.embedding.copy_(torch.tensor([[5.0, 0.0], [0.0, 1.0]]))
        tower.by_length.zero_()
        tower.prior.copy_(torch.tensor([0.0, 0.0, math.log(2.0)]))
        tower.typical_bias.fill_(-7.0)
    inputs = ItemInputs(
        field_tokens=np.array([[[1, 2], [0, 0], [0, 0]], [[1, 0], [0, 0], [0, 0]]], dtype=np.int32),
        numbers=np.array([[2.0], [0.0]], dtype=np.float32),
        embedding=np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32),
        field_mask=np.array([[True, True, True], [True, False, False]]),
    )
    vector, bias, weights = run(tower, inputs)
    # Categories: mean (2, 0.3); numbers: (2, 0); embedding at length 1: (0.6, 0.8) → (3, 0.8). Trust 1:1:2.
    torch.testing.assert_close(weights, torch.tensor([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]]))
    torch.testing.assert_close(vector, torch.tensor([[0.25 * 2 + 0.25 * 2 + 0.5 * 3], [1.0]]))
    torch.testing.assert_close(bias, torch.tensor([-7 + 0.25 * 0.3 + 0.5 * 0.8, -6.8]))


@given(
    scores=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
    mask=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_weights_are_a_share_of_each_field_that_is_there(scores: list[float], mask: list[bool]) -> None:
    vector, weights = attend(torch.ones(1, 4, 2), torch.tensor([scores]), torch.tensor([mask]))
    assert (weights >= 0).all()
    assert not weights[~torch.tensor([mask])].any()
    total = 1.0 if any(mask) else 0.0
    torch.testing.assert_close(weights.sum(), torch.tensor(total))
    torch.testing.assert_close(vector, torch.full((1, 2), total))


def test_bad_fields_give_finite_answers_and_none_at_all_gives_zeros() -> None:
    tower = tower_of(ITEMS)
    vector, bias, weights = run(tower, item_inputs(ITEMS, tower.schema))
    assert torch.isfinite(vector).all() and torch.isfinite(bias).all() and torch.isfinite(weights).all()
    assert vector[:4].abs().sum(1).min() > 0
    for nothing in (4, 5):
        assert not vector[nothing].any() and not weights[nothing].any()
        assert bias[nothing] == -7.0
    assert run(tower, item_inputs([], tower.schema))[0].shape == (0, WIDTH)


def test_huge_embeddings_stay_finite() -> None:
    unit = unit_embedding(torch.tensor([[1e30, 0.0], [0.0, 0.0], [1e-20, 1e-20]]))
    torch.testing.assert_close(unit, torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.5**0.5, 0.5**0.5]]))


def test_a_number_is_near_to_its_own_place() -> None:
    basis = number_basis(torch.tensor([[0.5]]))
    assert basis.shape == (1, 10)
    torch.testing.assert_close(basis[0, 0], torch.tensor(0.5 / 9))
    assert basis[0, 1:].argmax() == 5  # of −2, −1.5, … the sixth is 0.5
    torch.testing.assert_close(basis[0, 5], torch.tensor(math.exp(-0.5)))


def test_the_sparse_product_is_the_mean_of_tokens() -> None:
    inputs = item_inputs(ITEMS, learn_schema(ITEMS))
    averages = token_averages(inputs, 1 + learn_schema(ITEMS).buckets)
    dense = averages.to_dense()
    flat = inputs.field_tokens.reshape(-1, inputs.field_tokens.shape[2])
    for row, tokens in enumerate(flat):
        expected = np.bincount(tokens[tokens > 0], minlength=dense.shape[1]) / max((tokens > 0).sum(), 1)
        np.testing.assert_allclose(dense[row].numpy(), expected, rtol=1e-6)
    torch.testing.assert_close(transposed(averages).to_dense(), dense.T)


def known_of(items: list[Item], *, id_dropout: float) -> KnownItems:
    tower = tower_of(items)
    inputs = item_inputs(items, tower.schema)
    return KnownItems(tower, inputs, trust=torch.linspace(-1, 1, len(items)), id_dropout=id_dropout)


def test_all_items_at_once_are_what_the_exported_graph_makes_of_each() -> None:
    known = known_of(ITEMS, id_dropout=1.0).train()
    found, weights = known(torch.randn(len(ITEMS), WIDTH))
    vector, _, field_weights = run(known.tower, item_inputs(ITEMS, known.tower.schema))
    told = field_weights.any(1)
    # With every id left out they are the same.
    torch.testing.assert_close(found[told], vector[told])
    torch.testing.assert_close(weights[told, 1:], field_weights[told])
    assert not weights[told, 0].any()


def test_an_item_without_fields_keeps_its_id() -> None:
    ids = torch.randn(len(ITEMS), WIDTH)
    known = known_of(ITEMS, id_dropout=1.0)
    for found, weights in (known.train()(ids), known.finished(ids)):
        torch.testing.assert_close(found[4:], ids[4:])
        torch.testing.assert_close(weights[4:, 0], torch.ones(2))
    assert known.training


def test_gradients_are_those_of_the_plain_formula() -> None:
    known = known_of(ITEMS, id_dropout=0.0)
    ids = torch.randn(len(ITEMS), WIDTH, requires_grad=True)
    known(ids)[0].square().sum().backward()
    sparse = known.tower.tokens.grad
    known.tower.tokens.grad = None
    dense = known.averages.to_dense() @ known.tower.tokens
    told = known.tower.field_vectors(dense.view(len(ITEMS), -1, WIDTH + 1), known.basis, known.embedding)
    scores = torch.cat([known.trust[:, None], known.tower.scores(told)], dim=1)
    mask = torch.cat([torch.ones(len(ITEMS), 1, dtype=torch.bool), known.mask], dim=1)
    both = torch.cat([torch.cat([ids, torch.zeros(len(ITEMS), 1)], 1)[:, None], told], dim=1)
    attend(both, scores, mask)[0][:, :-1].square().sum().backward()
    torch.testing.assert_close(sparse, known.tower.tokens.grad)


@pytest.mark.parametrize("id_dropout", [0.0, 0.5])
def test_ids_are_left_out_as_often_as_asked(id_dropout: float) -> None:
    items = [Item(item_id=str(n), title="x") for n in range(4000)]
    weights = known_of(items, id_dropout=id_dropout).train()(torch.randn(4000, WIDTH))[1]
    assert float((weights[:, 0] == 0).float().mean()) == pytest.approx(id_dropout, abs=0.03)

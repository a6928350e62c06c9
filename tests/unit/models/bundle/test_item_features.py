from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle.item_features import FeatureSchema, NumberScale, item_inputs, learn_schema
from models.bundle.item_tokens import token
from stream_app.domain.messages import Item

NUMBER = st.one_of(st.floats(), st.integers(-(10**400), 10**400))
ITEM = st.builds(
    Item,
    item_id=st.just("i"),
    title=st.none() | st.text(max_size=30),
    domain=st.none() | st.text(max_size=8),
    categories=st.lists(st.text(max_size=8), max_size=8).map(tuple),
    features=st.dictionaries(st.sampled_from(["title", "price", "brand", ""]), st.text(max_size=12) | NUMBER),
    embedding=st.none() | st.lists(NUMBER, max_size=4).map(tuple),
)
FILM = Item(
    item_id="a",
    title="Alien",
    categories=("Horror", "Sci-Fi"),
    features={"studio": "Brandywine", "year": 1979.0},
    embedding=(0.5, -1.0),
)
SCHEMA = FeatureSchema(
    fields=("categories", "title", "domain", "features.studio", "numbers", "embedding"),
    tokens=6,
    buckets=1024,
    numbers=(NumberScale(name="year", mean=1989.0, scale=10.0),),
    embedding_length=2,
)


def item(**fields: Any) -> Item:
    return Item(item_id="i", **fields)


def test_an_item_by_hand() -> None:
    inputs = item_inputs([FILM], SCHEMA)
    tokens = inputs.field_tokens[0]
    assert tokens[0].tolist() == [code("categories", "horror"), code("categories", "sci-fi"), 0, 0, 0, 0]
    title = ["alien", "3:<al", "3:ali", "3:lie", "3:ien", "3:en>"]
    assert tokens[1].tolist() == [code("title", part) for part in title]
    studio = ["=brandywine", "brandywine", "3:<br", "3:bra", "3:ran", "3:and"]
    assert tokens[3].tolist() == [code("features.studio", part) for part in studio]
    assert not tokens[[2, 4, 5]].any()
    assert inputs.numbers.tolist() == [[-1.0]]
    assert inputs.embedding.tolist() == [[0.5, -1.0]]
    assert inputs.field_mask.tolist() == [[True, True, False, True, True, True]]
    assert inputs.ignored == {}


@given(learnt=st.lists(ITEM, max_size=8), asked=st.lists(ITEM, max_size=8))
def test_any_items_make_arrays_that_a_graph_can_take(learnt: list[Item], asked: list[Item]) -> None:
    schema = learn_schema(learnt)
    inputs = item_inputs(asked, schema)
    fields = len(schema.fields)
    assert inputs.field_tokens.shape == (len(asked), fields, schema.tokens)
    assert inputs.numbers.shape == (len(asked), schema.number_width)
    assert inputs.embedding.shape == (len(asked), schema.embedding_width)
    assert inputs.field_mask.shape == (len(asked), fields)
    assert (inputs.field_tokens >= 0).all() and (inputs.field_tokens <= schema.buckets).all()
    assert np.isfinite(inputs.numbers).all() and (np.abs(inputs.numbers) <= 10).all()
    assert np.isfinite(inputs.embedding).all()
    by_token = [place for place, name in enumerate(schema.fields) if name not in ("numbers", "embedding")]
    present = inputs.field_tokens.any(axis=2)
    assert (present[:, by_token] == inputs.field_mask[:, by_token]).all()
    # Padding follows the tokens.
    assert ((inputs.field_tokens[:, :, 1:] == 0) | (inputs.field_tokens[:, :, :-1] > 0)).all()


@given(items=st.lists(ITEM, max_size=6))
def test_a_row_does_not_depend_on_the_others(items: list[Item]) -> None:
    schema = learn_schema([FILM, *items])
    together = item_inputs(items, schema)
    for row, one in enumerate(items):
        alone = item_inputs([one], schema)
        for name in ("field_tokens", "numbers", "embedding", "field_mask"):
            np.testing.assert_array_equal(getattr(together, name)[row], getattr(alone, name)[0])


@given(items=st.lists(ITEM, max_size=8))
def test_a_schema_survives_json(items: list[Item]) -> None:
    schema = learn_schema(items)
    assert msgspec.json.decode(msgspec.json.encode(schema), type=FeatureSchema) == schema


def test_the_fields_are_those_that_occur_in_a_fixed_order() -> None:
    rich = item(title="x", domain="films", features={"zeta": "z", "brand": "b", "b": 1.0, "a": 2.0})
    schema = learn_schema([rich, item(categories=("c",)), item(embedding=(1.0,))])
    assert schema.fields == (
        "categories", "title", "domain", "features.brand", "features.zeta", "numbers", "embedding",
    )  # fmt: skip
    assert [number.name for number in schema.numbers] == ["a", "b"]
    assert learn_schema([item(), item(title="", categories=("", " "))]).fields == ()


def test_numbers_are_standardised_without_their_outliers() -> None:
    items = [item(features={"price": float(price)}) for price in range(1, 1001)]
    items += [item(features={"price": 1e29})]
    (price,) = learn_schema(items).numbers
    assert price.mean == pytest.approx(500, rel=0.01)
    assert price.scale == pytest.approx(1000 / math.sqrt(12), rel=0.02)
    equal = learn_schema([item(features={"price": 0.1})] * 3)
    assert equal.numbers[0].scale == 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_a_number_without_a_finite_value_is_missing_and_counted(value: float) -> None:
    inputs = item_inputs([item(features={"year": value}), FILM], SCHEMA)
    assert inputs.numbers.tolist() == [[0.0], [-1.0]]
    assert inputs.field_mask[:, 4].tolist() == [False, True]
    assert inputs.ignored == {"number not finite": 1}
    assert learn_schema([item(features={"year": value})]).numbers == ()


def test_mixed_embeddings_are_missing_and_counted_by_reason() -> None:
    given_ones = [(1.0, 2.0), (1.0,), (1.0, 2.0, 3.0), (math.nan, 1.0), (), (1e39, 0.0), None]
    items = [item(embedding=given) for given in given_ones]
    inputs = item_inputs(items, SCHEMA)
    assert inputs.field_mask[:, 5].tolist() == [True] + 6 * [False]
    assert inputs.embedding.tolist() == [[1.0, 2.0]] + 6 * [[0.0, 0.0]]
    assert inputs.ignored == {"embedding of another length": 3, "embedding not finite": 2}
    assert learn_schema(items).embedding_length == 2


def test_ten_thousand_categories_are_cut_at_m() -> None:
    many = item(categories=tuple(f"c{number}" for number in range(10_000)))
    inputs = item_inputs([many], SCHEMA)
    assert inputs.field_tokens[0, 0].tolist() == [code("categories", f"c{number}") for number in range(6)]
    assert learn_schema([many]).tokens == 48


def test_a_thousand_features_do_not_make_a_thousand_fields() -> None:
    items = [item(features={f"f{row}": "x", f"n{row}": 1.0}) for row in range(1000)]
    assert learn_schema(items).fields == ()
    one = learn_schema([item(features={f"f{number:04}": "x" for number in range(1000)})])
    assert one.fields == tuple(f"features.f{number:04}" for number in range(16))


def test_an_item_without_any_field_has_an_all_false_mask() -> None:
    nothing = [item(), item(title="", domain="", categories=("",)), item(title="…!")]
    inputs = item_inputs(nothing, SCHEMA)
    assert not inputs.field_mask.any() and not inputs.field_tokens.any()
    assert len(item_inputs([], SCHEMA)) == 0


def test_fields_share_no_token() -> None:
    inputs = item_inputs([item(categories=("films",), domain="films")], SCHEMA)
    assert inputs.field_tokens[0, 0, 0] != inputs.field_tokens[0, 2, 0]


def test_a_feature_called_title_is_not_the_title() -> None:
    schema = learn_schema([item(title="a", features={"title": "b", "numbers": "c"})])
    assert schema.fields == ("title", "features.numbers", "features.title")


def code(field: str, part: str) -> int:
    return token(field, part, buckets=1024)

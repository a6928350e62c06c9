from __future__ import annotations

from dataclasses import replace

import pytest

from models.bundle.errors import SignatureMismatch
from models.bundle.signature import (
    BLOCK,
    EVENT_TYPES,
    Signature,
    capacity,
    check_signature,
    encoder_signature,
)

EXPECTED = encoder_signature(max_length=50, width=64, k_limit=100)


def altered(part: str, tensor: str, **change: object) -> Signature:
    tensors = tuple(replace(t, **change) if t.name == tensor else t for t in getattr(EXPECTED, part))
    return replace(EXPECTED, **{part: tensors})


def test_event_codes_never_change() -> None:
    # Stored in histories and learnt by models.
    assert EVENT_TYPES == ("padding", "view", "click", "cart", "purchase", "like", "dislike")


@pytest.mark.parametrize(
    ("items", "rows"), [(0, 256), (1, 256), (232, 256), (233, 512), (465, 512), (466, 768), (3_700, 4_096)]
)
def test_capacity_is_the_next_block_above_a_tenth_more(items: int, rows: int) -> None:
    assert capacity(items) == rows


def test_capacity_leaves_room_for_padding_and_new_items() -> None:
    for items in range(5_000):
        assert capacity(items) % BLOCK == 0
        assert 1.1 * items < capacity(items) + 1e-9
        assert capacity(items) > items


def test_a_graph_of_the_same_signature_passes_in_any_order() -> None:
    check_signature(EXPECTED, found=replace(EXPECTED, inputs=EXPECTED.inputs[::-1]))


def test_outputs_whose_size_was_not_inferred_pass() -> None:
    check_signature(EXPECTED, found=altered("outputs", "topk_ids", shape=("s0", None)))


@pytest.mark.parametrize(
    "found",
    [
        altered("inputs", "item_ids", dtype="int64"),
        altered("inputs", "item_ids", shape=("batch", 20)),
        altered("inputs", "item_ids", shape=(1, 50)),
        altered("inputs", "item_bias", shape=(4_096,)),
        altered("inputs", "exclude_ids", shape=("batch", 32)),
        altered("inputs", "item_vectors", shape=("V",)),
        altered("outputs", "topk_scores", shape=("batch", 10)),
        altered("outputs", "attention", dtype="float16"),
    ],
)
def test_another_type_or_size_is_refused(found: Signature) -> None:
    with pytest.raises(SignatureMismatch, match=r"expected .*, found .*; export the model again"):
        check_signature(EXPECTED, found=found)


def test_a_missing_and_an_unknown_tensor_are_named() -> None:
    with pytest.raises(SignatureMismatch, match="without item_bias and with unknown bias"):
        check_signature(EXPECTED, found=altered("inputs", "item_bias", name="bias"))


def test_a_tensor_given_twice_is_refused() -> None:
    with pytest.raises(SignatureMismatch):
        check_signature(EXPECTED, found=replace(EXPECTED, inputs=(*EXPECTED.inputs, EXPECTED.inputs[0])))

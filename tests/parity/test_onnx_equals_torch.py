"""The exported graph answers as torch does, over batches, catalogues and exclusions of all sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from models.bundle.signature import NO_CANDIDATE_SCORE, UNAVAILABLE_BIAS
from models.encoder_config import EncoderConfig
from models.sequence_model import SequenceModel
from models.served_encoder import ServedEncoder
from models.top_k import smallest_block_capacity
from stream_app.domain.encoding import ModelInputs
from training.export import write_graph

LENGTH, WIDTH, K = 50, 64, 100
BLOCK_K = 20
"""A smaller K, so that the block top-k can be tried on a catalogue of a test's size."""


@dataclass(frozen=True)
class Pair:
    """One encoder twice: on torch and on onnxruntime."""

    served: ServedEncoder
    session: ort.InferenceSession

    def answers(
        self, inputs: ModelInputs, vectors: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.generic]], list[NDArray[np.generic]]]:
        arrays = [inputs.item_ids, inputs.event_types, inputs.time_deltas, inputs.exclude_ids, vectors, bias]
        with torch.inference_mode():
            by_torch = [tensor.numpy() for tensor in self.served(*map(torch.from_numpy, arrays))]
        names = [node.name for node in self.session.get_inputs()]
        return by_torch, self.session.run(None, dict(zip(names, arrays, strict=True)))


def _pair(folder: Path, *, k_limit: int, rows: int) -> Pair:
    torch.manual_seed(3)
    config = EncoderConfig(max_length=LENGTH, width=WIDTH, blocks=2)
    model = SequenceModel(config, vectors=torch.randn(10, WIDTH), bias=torch.zeros(10)).eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():  # else priors of 0 would hide a wrong sign
            parameter.add_(torch.randn_like(parameter) * 0.1)
    write_graph(model, folder / "encoder.onnx", rows=rows, k_limit=k_limit)
    served = ServedEncoder(
        model.encoder, k_limit=k_limit, in_blocks=rows >= smallest_block_capacity(k_limit)
    ).eval()
    return Pair(served, ort.InferenceSession(folder / "encoder.onnx", providers=["CPUExecutionProvider"]))


@pytest.fixture(scope="module")
def over_the_row(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    pair = _pair(tmp_path_factory.mktemp("row"), k_limit=K, rows=256)
    assert not pair.served.in_blocks
    return pair


@pytest.fixture(scope="module")
def in_blocks(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    pair = _pair(tmp_path_factory.mktemp("block"), k_limit=BLOCK_K, rows=smallest_block_capacity(BLOCK_K))
    assert pair.served.in_blocks
    return pair


def _inputs(*, batch: int, items: int, excluded: int, seed: int) -> ModelInputs:
    """Row 0 is all padding; the others hold 1 to L events."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, LENGTH + 1, batch)
    counts[0] = 0
    real = np.arange(LENGTH) >= LENGTH - counts[:, None]
    ages = np.sort(random.exponential(1e6, (batch, LENGTH)), axis=1)[:, ::-1]
    exclude_ids = np.zeros((batch, max(excluded, 1) if excluded else 32), dtype=np.int32)
    if excluded:
        exclude_ids[:] = random.integers(0, items + 1, (batch, excluded))
    return ModelInputs(
        np.where(real, random.integers(1, items + 1, real.shape), 0).astype(np.int32),
        np.where(real, random.integers(1, 7, real.shape), 0).astype(np.int32),
        np.where(real, ages, 0).astype(np.float32),
        exclude_ids,
    )


def _catalogue(rows: int, items: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(rows)
    vectors = np.zeros((rows, WIDTH), dtype=np.float32)
    bias = np.full(rows, UNAVAILABLE_BIAS, dtype=np.float32)
    vectors[1 : items + 1] = random.normal(size=(items, WIDTH)) / 4
    bias[1 : items + 1] = random.normal(size=items)
    return vectors, bias


def _check(pair: Pair, inputs: ModelInputs, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    (ids, scores, attention), (onnx_ids, onnx_scores, onnx_attention) = pair.answers(inputs, vectors, bias)
    assert onnx_ids.dtype == np.int32 and onnx_scores.dtype == onnx_attention.dtype == np.float32
    np.testing.assert_array_equal(ids, onnx_ids)
    real = scores > NO_CANDIDATE_SCORE
    np.testing.assert_array_equal(real, onnx_scores > NO_CANDIDATE_SCORE)
    np.testing.assert_allclose(onnx_scores[real], scores[real], atol=1e-4)
    np.testing.assert_allclose(onnx_attention, attention, atol=1e-5)
    # What the answer means, whoever gives it.
    np.testing.assert_array_equal(onnx_ids == 0, ~real)
    assert not any(
        set(ids_of) & set(gone) - {0} for ids_of, gone in zip(onnx_ids, inputs.exclude_ids, strict=True)
    )
    is_empty = (inputs.item_ids == 0).all(axis=1)
    np.testing.assert_allclose(onnx_attention.sum(axis=1), np.where(is_empty, 0.0, 1.0), atol=1e-5)
    assert not onnx_attention[inputs.item_ids == 0].any()
    assert np.isfinite(onnx_scores).all()


@pytest.mark.parametrize("excluded", [0, 32, 200])
@pytest.mark.parametrize("rows", [256, 4096, 20_480])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_answers_are_equal_when_one_top_k_goes_over_the_row(
    over_the_row: Pair, batch: int, rows: int, excluded: int
) -> None:
    items = rows * 10 // 11
    inputs = _inputs(batch=batch, items=items, excluded=excluded, seed=batch + excluded)
    _check(over_the_row, inputs, *_catalogue(rows, items))


@pytest.mark.parametrize("excluded", [0, 32, 200])
@pytest.mark.parametrize("rows", [10_240, 20_480])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_answers_are_equal_when_the_catalogue_is_cut_into_blocks(
    in_blocks: Pair, batch: int, rows: int, excluded: int
) -> None:
    items = rows * 10 // 11
    inputs = _inputs(batch=batch, items=items, excluded=excluded, seed=batch + excluded)
    _check(in_blocks, inputs, *_catalogue(rows, items))


def test_blocks_give_what_the_whole_row_gives(in_blocks: Pair) -> None:
    vectors, bias = _catalogue(20_480, 18_000)
    inputs = _inputs(batch=16, items=18_000, excluded=200, seed=5)
    arrays = (inputs.item_ids, inputs.event_types, inputs.time_deltas, inputs.exclude_ids, vectors, bias)
    whole = ServedEncoder(in_blocks.served.encoder, k_limit=BLOCK_K, in_blocks=False).eval()
    with torch.inference_mode():
        ids, scores, _ = whole(*map(torch.from_numpy, arrays))
    _, (block_ids, block_scores, _) = in_blocks.answers(inputs, vectors, bias)
    np.testing.assert_array_equal(ids.numpy(), block_ids)
    np.testing.assert_allclose(scores.numpy(), block_scores, atol=1e-4)


def test_fewer_items_than_places_leave_the_rest_empty(over_the_row: Pair) -> None:
    vectors, bias = _catalogue(256, 40)
    inputs = _inputs(batch=3, items=40, excluded=32, seed=1)
    _, (ids, scores, _) = over_the_row.answers(inputs, vectors, bias)
    left = [40 - len(set(gone.tolist()) - {0}) for gone in inputs.exclude_ids]
    assert ((ids > 0).sum(axis=1) == left).all()
    assert (scores[ids == 0] <= NO_CANDIDATE_SCORE).all()


def test_a_batch_of_empty_histories_ranks_by_bias(over_the_row: Pair) -> None:
    vectors, bias = _catalogue(256, 200)
    blank = np.zeros((3, LENGTH), dtype=np.int32)
    inputs = ModelInputs(blank, blank, blank.astype(np.float32), np.zeros((3, 32), dtype=np.int32))
    _check(over_the_row, inputs, vectors, bias)


def test_a_row_made_unavailable_at_run_time_is_not_ranked(over_the_row: Pair) -> None:
    vectors, bias = _catalogue(4096, 3700)
    inputs = _inputs(batch=3, items=3700, excluded=32, seed=2)
    _, (before, _, _) = over_the_row.answers(inputs, vectors, bias)
    bias[before[1, 0]] = UNAVAILABLE_BIAS
    _, (after, _, _) = over_the_row.answers(inputs, vectors, bias)
    assert before[1, 0] not in after[1]
    np.testing.assert_array_equal(after[1, : K - 1], before[1, 1:])

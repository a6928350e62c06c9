"""Two ways to the best k."""

from __future__ import annotations

import pytest
import torch

from models.bundle.signature import BLOCK
from models.top_k import block_top_k, row_top_k


@pytest.mark.parametrize("blocks", [5, 6, 40])
@pytest.mark.parametrize("batch", [1, 7])
def test_blocks_find_what_a_look_at_the_whole_row_finds(batch: int, blocks: int) -> None:
    torch.manual_seed(blocks)
    scores = torch.randn(batch, blocks * BLOCK)
    values, places = block_top_k(scores, 5)
    expected_values, expected_places = row_top_k(scores, 5)
    assert torch.equal(values, expected_values)
    assert torch.equal(places, expected_places)


def test_the_best_may_all_lie_in_one_block() -> None:
    scores = torch.zeros(1, 8 * BLOCK)
    scores[0, 3 * BLOCK : 3 * BLOCK + 5] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    assert block_top_k(scores, 5)[1].tolist() == [[768, 769, 770, 771, 772]]

"""The best k of a row of scores; two ways that give the same answer.

onnxruntime's TopK over a whole large row is slow, so that a large catalogue is first cut into blocks: the k
best scores lie in the k blocks with the highest maxima. Excluded rows are masked before, in the scores
themselves; so k blocks are enough, where taking exclusions out afterwards would need k + E of them and two
more TopK over (k + E) × 256 candidates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.bundle.signature import BLOCK


def row_top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values float32 [batch, k] and places int64 [batch, k] of `scores` [batch, V], best first."""
    values, places = torch.topk(scores, k, dim=1)
    return values, places


def block_top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `row_top_k`, for V a multiple of 256 and at least k × 256."""
    batch = scores.shape[0]
    blocks = scores.reshape(batch, -1, BLOCK)  # [batch, V / 256, 256]
    number = blocks.shape[1]
    best_blocks = torch.topk(blocks.amax(2), k, dim=1, sorted=False)[1]  # [batch, k]
    # Whole blocks are gathered as rows of a table: a copy of memory, where gathering single scores is slow.
    first = torch.arange(batch, device=scores.device)[:, None] * number
    candidates = F.embedding((first + best_blocks).reshape(-1), blocks.reshape(-1, BLOCK)).reshape(
        batch, k * BLOCK
    )
    values, chosen = torch.topk(candidates, k, dim=1)
    block = torch.div(chosen, BLOCK, rounding_mode="trunc")
    return values, best_blocks.gather(1, block) * BLOCK + (chosen - block * BLOCK)


def smallest_block_capacity(k: int) -> int:
    """The least V at which blocks are worth while: with fewer than 2 k of them nearly all would be taken."""
    return 2 * k * BLOCK

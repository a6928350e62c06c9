"""What a step costs under each softmax, by the size of the catalogue: `make bench-loss`, some minutes.

    python docs/benchmarks/measure_loss.py

The loss, its gradient, and AdamW's step over the catalogue, for the targets of one batch of `base`:
16 windows of 150 targets. The encoder in front is the same and is left out. Both are asked turn by turn. What
it says decides where `loss=auto` goes over from all items to drawn ones.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from models.objective import FullSoftmax, Objective, SampledSoftmax
from training.objectives import NEGATIVES

FILE = Path(__file__).parent / "loss.json"
SIZES = (3_400, 10_000, 30_000, 100_000, 300_000, 1_000_000)
TARGETS, WIDTH, ROUNDS = 2_400, 64, 5


def measure() -> list[dict[str, float]]:
    """Milliseconds of a step, medians of turns, and their ratio, for each size."""
    return [_of_size(items) for items in SIZES]


def _of_size(items: int) -> dict[str, float]:
    random = torch.Generator().manual_seed(0)
    states = torch.randn(TARGETS, WIDTH, generator=random)
    targets = torch.randint(0, items, (TARGETS,), generator=random)
    vectors = nn.Parameter(0.1 * torch.randn(items, WIDTH, generator=random))
    bias, weights = nn.Parameter(torch.zeros(items)), torch.ones(TARGETS)
    optimizer = torch.optim.AdamW([vectors, bias], lr=1e-6, fused=True)
    counts = torch.randint(1, 1_000, (items,), generator=random)
    objectives: dict[str, Objective] = {
        "full": FullSoftmax(),
        "sampled": SampledSoftmax(counts, negatives=NEGATIVES),
    }
    took: dict[str, list[float]] = {name: [] for name in objectives}
    for turn in range(ROUNDS + 1):
        for name, objective in objectives.items():
            begun = time.perf_counter()
            optimizer.zero_grad()
            objective(states.requires_grad_(), vectors, bias, targets, weights).backward()
            optimizer.step()
            if turn:  # the first warms up
                took[name].append(1e3 * (time.perf_counter() - begun))
    full, sampled = (statistics.median(took[name]) for name in objectives)
    found = {
        "items": items,
        "full_ms": round(full, 1),
        "sampled_ms": round(sampled, 1),
        "ratio": round(full / sampled, 2),
    }
    print(json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps({"threads": torch.get_num_threads(), "steps": measure()}, indent=1) + "\n")

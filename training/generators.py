"""The states of all random generators, as plain values and tensors: what is stored must not run code."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def generator_states() -> dict[str, Any]:
    """Python's, numpy's and torch's, and that of the CUDA device at hand, where there is one."""
    drawn: Any = np.random.get_state()
    kind, keys, place, has_normal, normal = drawn
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), int(place), int(has_normal), float(normal)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Go on drawing where `generator_states` was called."""
    version, words, normal = states["python"]
    random.setstate((version, tuple(words), normal))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())

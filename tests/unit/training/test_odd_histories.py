"""Whatever stands in a history, a model of any attention gives a finite ranking of what is not in it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from models.bundle.hashing import item_hash
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import Attention, EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.decoding import Interaction
from stream_app.domain.encoding import encode
from stream_app.domain.history import FORMAT, HEADER, extend
from training.torch_scorer import TorchScorer

ITEMS, LENGTH, K, WINDOW = 60, 12, 20, 200
START_MS = 1_700_000_000_000
ODD = {
    "one event": ["i3"],
    "10,000 events": [f"i{n % 50}" for n in range(10_000)],
    "one item repeated": ["i7"] * 300,
    "unknown items only": [f"gone-{n}" for n in range(40)],
    "all at once and known": [f"i{n}" for n in range(ITEMS)],
}


@pytest.mark.parametrize("attention", get_args(Attention))
@pytest.mark.parametrize("step_ms", [0, 60_000])
def test_odd_histories_are_ranked(attention: Attention, step_ms: int) -> None:
    torch.manual_seed(1)
    config = EncoderConfig(max_length=LENGTH, width=16, blocks=2, attention=attention)
    model = SequenceModel(config, vectors=torch.randn(ITEMS, 16), bias=torch.randn(ITEMS))
    vocabulary = Vocabulary([f"i{n}" for n in range(ITEMS)])
    records = [_packed(items, step_ms=step_ms) for items in ODD.values()]
    inputs = encode(records, [START_MS + 10**9] * len(records), vocabulary, max_length=LENGTH)
    ranked = TorchScorer(model, k_limit=K).score(inputs)
    assert np.isfinite(ranked.topk_scores).all() and np.isfinite(ranked.attention).all()
    for items, rows in zip(ODD.values(), ranked.topk_ids, strict=True):
        found = {vocabulary.item_id(row) for row in rows.tolist() if row}
        left = ITEMS - len(set(items[-WINDOW:]) & set(vocabulary.item_ids))
        assert len(found) == min(K, left), "as many as there are left, each once"
        assert not found.intersection(items[-WINDOW:])
    unknown = [*ODD].index("unknown items only")
    nobody = TorchScorer(model, k_limit=K).score(
        encode([HEADER.pack(FORMAT, 0, 0, START_MS, 0)], [START_MS], vocabulary, max_length=LENGTH)
    )
    assert not ranked.attention[unknown].any()
    assert ranked.topk_ids[unknown].tolist() == nobody.topk_ids[0].tolist()


def _packed(items: list[str], *, step_ms: int) -> bytes:
    events = [
        Interaction(n, b"u", item_hash(item), START_MS + n * step_ms, 2, item) for n, item in enumerate(items)
    ]
    record = extend(None, events, epoch=0, limit=WINDOW, max_age_ms=10**12)
    assert record is not None
    return record

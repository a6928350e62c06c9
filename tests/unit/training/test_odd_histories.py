"""Whatever stands in a history, a model of any attention gives a finite ranking of what is not in it.

That the exported graph answers the same is shown in tests/parity/test_attention_family.py.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from models.bundle.vocabulary import Vocabulary
from models.encoder_config import Attention, EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.encoding import encode
from stream_app.domain.history import FORMAT, HEADER
from tests.odd_histories import ASKED_MS, ITEMS, ODD, START_MS, UNKNOWN, WINDOW, odd_records
from training.torch_scorer import TorchScorer

LENGTH, K = 12, 20


@pytest.mark.parametrize("attention", get_args(Attention))
@pytest.mark.parametrize("step_ms", [0, 60_000])
def test_odd_histories_are_ranked(attention: Attention, step_ms: int) -> None:
    torch.manual_seed(1)
    config = EncoderConfig(max_length=LENGTH, width=16, blocks=2, attention=attention)
    model = SequenceModel(config, vectors=torch.randn(ITEMS, 16), bias=torch.randn(ITEMS))
    vocabulary = Vocabulary([f"i{n}" for n in range(ITEMS)])
    records = odd_records(step_ms=step_ms)
    inputs = encode(records, [ASKED_MS] * len(records), vocabulary, max_length=LENGTH)
    ranked = TorchScorer(model, k_limit=K).score(inputs)
    assert np.isfinite(ranked.topk_scores).all() and np.isfinite(ranked.attention).all()
    for items, rows in zip(ODD.values(), ranked.topk_ids, strict=True):
        found = {vocabulary.item_id(row) for row in rows.tolist() if row}
        left = ITEMS - len(set(items[-WINDOW:]) & set(vocabulary.item_ids))
        assert len(found) == min(K, left), "as many as there are left, each once"
        assert not found.intersection(items[-WINDOW:])
    unknown = [*ODD].index(UNKNOWN)
    nobody = TorchScorer(model, k_limit=K).score(
        encode([HEADER.pack(FORMAT, 0, 0, START_MS, 0)], [START_MS], vocabulary, max_length=LENGTH)
    )
    assert not ranked.attention[unknown].any()
    assert ranked.topk_ids[unknown].tolist() == nobody.topk_ids[0].tolist()

"""The page about a model holds what is known of it, and nothing that could run."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle.items import BundleItems
from models.bundle.manifest import GoldenBatch, Manifest, TrainingWindow
from models.bundle.signature import EVENT_TYPES
from models.bundle.vocabulary import Vocabulary
from training.evaluation.attention_maps import AttentionMap
from training.model_report.curves import curve
from training.model_report.item_map import positions
from training.model_report.page import ModelFacts, as_page

NOTHING = GoldenBatch(
    item_ids=[], event_types=[], time_deltas=[], exclude_ids=[], topk_ids=[], topk_scores=[], attention=[]
)


def _facts(items: int, *, maps: bool = True, curves: bool = True, weights: bool = True) -> ModelFacts:
    random = np.random.default_rng(0)
    names = [f"i{number}" for number in range(items)]
    matrix = np.tril(np.ones((2, 2), dtype=np.float32)) / np.array([[1], [2]], dtype=np.float32)
    return ModelFacts(
        manifest=Manifest(
            version="v1",
            created_at=1_700_000_000_000,
            files={},
            max_length=50,
            width=8,
            k_limit=100,
            item_count=items,
            capacity=256,
            golden=NOTHING,
            event_types=EVENT_TYPES,
            positive_types=("click",),
            context_fields=("device",),
            learning_curve={"loss": [7.0, 6.5, 6.4], "ndcg@10": [0.1, 0.12, 0.11]} if curves else {},
            training_window=TrainingWindow(interactions=1234, users=56),
        ),
        items=BundleItems(
            vocabulary=Vocabulary(names),
            vectors=random.normal(size=(256, 8)).astype(np.float32),
            bias=np.zeros(256, dtype=np.float32),
        ),
        fields={"i0": {"title": "<script>alert(1)</script>", "categories": ["Drama & <b>"]}},
        maps=[AttentionMap(user="u1", items=("i0", "i1"), maps={"v1": matrix})] if maps else [],
        field_names=("id", "title"),
        field_weights=random.dirichlet([1, 1], items).astype(np.float32) if weights else None,
    )


def test_the_page_tells_all_that_is_known() -> None:
    page = as_page(_facts(40))
    for told in ("Model v1", "1,234 interactions of 56 users", "hour, weekday, device", "loss by epoch",
                 "NDCG@10 by epoch", "User u1", "Items that the model takes for alike",
                 "Nearest neighbours", "Mean weight of a field"):  # fmt: skip
        assert told in page, told
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "Drama &amp; &lt;b&gt;" in page


@pytest.mark.parametrize("items", [0, 1, 2, 4, 7])
def test_a_small_or_bare_model_has_a_page_too(items: int) -> None:
    page = as_page(_facts(items, maps=False, curves=False, weights=False))
    assert "Model v1" in page and "--data" in page
    assert "nan" not in page.lower().split("<main>")[1]


def test_items_that_are_alike_lie_together() -> None:
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(8, dtype=np.float32)[:2] * 5, 30, axis=0)
    place = positions((centres + random.normal(size=(60, 8)) * 0.3).astype(np.float32))
    assert place.min() >= 0 and place.max() <= 1
    apart = np.linalg.norm(place[:30].mean(0) - place[30:].mean(0))
    within = max(float(place[:30].std(0).max()), float(place[30:].std(0).max()))
    assert apart > 2 * within


def test_a_curve_of_one_epoch_is_drawn() -> None:
    assert "epoch 1: 6.5" in curve("loss", [6.5], from_zero=False)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.errors import WrongAnswers
from models.bundle.manifest import GoldenBatch
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from stream_app.scoring.golden import check_golden

EXPECTED = Ranked(
    np.array([[5, 9, 2, 0]], dtype=np.int32),
    np.array([[3.0, 2.0, 2.0, -1e30]], dtype=np.float32),
    np.array([[0.25, 0.75]], dtype=np.float32),
)
GOLDEN = GoldenBatch(
    item_ids=[[1, 3]],
    event_types=[[1, 1]],
    time_deltas=[[9.0, 1.0]],
    exclude_ids=[[1, 3]],
    topk_ids=EXPECTED.topk_ids.tolist(),
    topk_scores=EXPECTED.topk_scores.tolist(),
    attention=EXPECTED.attention.tolist(),
)


class Answering:
    """A scorer that has one answer."""

    version, max_length, k_limit = "fixed", 2, 4

    def __init__(self, answer: Ranked) -> None:
        self._answer = answer

    def score(self, inputs: ModelInputs) -> Ranked:
        return self._answer


def check(**answer: list[list[float]]) -> None:
    arrays = {name: np.array(value, getattr(EXPECTED, name).dtype) for name, value in answer.items()}
    check_golden(Path("bundle"), GOLDEN, Answering(replace(EXPECTED, **arrays)))


def test_the_same_answer_passes() -> None:
    check()


def test_rounding_passes() -> None:
    check(topk_scores=[[3.001, 2.0, 1.999, -1e30]])


def test_items_whose_scores_tie_may_change_places() -> None:
    check(topk_ids=[[5, 2, 9, 0]])


def test_items_whose_scores_differ_may_not() -> None:
    with pytest.raises(WrongAnswers, match=r"topk_ids\[0, 0\] is 9 instead of 5"):
        check(topk_ids=[[9, 5, 2, 0]])


def test_an_item_may_not_take_a_place_that_no_candidate_had() -> None:
    with pytest.raises(WrongAnswers, match=r"topk_ids\[0, 3\] is 7 instead of 0"):
        check(topk_ids=[[5, 9, 2, 7]])


def test_an_item_may_not_be_missing() -> None:
    with pytest.raises(WrongAnswers, match=r"topk_ids\[0, 1\] is 0 instead of 9"):
        check(topk_ids=[[5, 0, 2, 0]])


@pytest.mark.parametrize("value", [3.1, float("nan"), float("inf")])
def test_another_score_is_named(value: float) -> None:
    with pytest.raises(WrongAnswers, match=r"topk_scores\[0, 0\] is .* instead of 3"):
        check(topk_scores=[[value, 2.0, 2.0, -1e30]])


def test_other_attention_is_named() -> None:
    with pytest.raises(WrongAnswers, match=r"attention\[0, 0\] is 0.5 instead of 0.25"):
        check(attention=[[0.5, 0.5]])


def test_another_number_of_places_is_named() -> None:
    with pytest.raises(WrongAnswers, match=r"topk_ids is \[1, 2\] instead of \[1, 4\]"):
        check(topk_ids=[[5, 9]])

"""What is drawn of a model's attention is what it answers."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch

from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from tests.unit.training.logs import log_of, successors
from training.dataset import HistoryRules
from training.evaluation.attention_maps import EVENTS, attention_maps
from training.evaluation.heat_maps import heat_map
from training.evaluation.served import ServedModel
from training.torch_scorer import TorchScorer

RULES = HistoryRules(max_length=20)


def _model(
    items: list[str], *, name: str = "attention", context: tuple[str, ...] | None = None
) -> ServedModel:
    torch.manual_seed(0)
    model = SequenceModel(
        EncoderConfig(max_length=20, width=8, blocks=2, context=context),
        vectors=torch.randn(len(items), 8),
        bias=torch.zeros(len(items)),
    )
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return ServedModel(
        name=name,
        scorer=TorchScorer(model, k_limit=3),
        vocabulary=Vocabulary(items),
        max_length=20,
        context_fields=context,
    )


class _OnNewest:
    """Looks at the newest event alone, but for its own."""

    def score(self, inputs: ModelInputs) -> Ranked:
        attention = np.zeros(inputs.item_ids.shape, dtype=np.float32)
        attention[:, -1] = inputs.item_ids[:, -2] == 0
        attention[:, -2] = inputs.item_ids[:, -2] > 0
        none = np.zeros((len(inputs), 3), dtype=np.int32)
        return Ranked(none, none.astype(np.float32), attention)


def test_each_row_is_the_answer_to_the_history_so_far() -> None:
    log = successors(users=3, events=30, items=40)
    model = ServedModel(name="m", scorer=_OnNewest(), vocabulary=Vocabulary(log.items), max_length=20)
    found = attention_maps([model], log, rules=RULES, users=2)
    assert len(found) == 2
    for one in found:
        numbers = [int(item[1:]) for item in one.items]
        assert len(numbers) == EVENTS and all((b - a) % 40 == 1 for a, b in itertools.pairwise(numbers))
        expected = np.eye(EVENTS, k=-1)
        expected[0, 0] = 1.0
        np.testing.assert_array_equal(one.maps["m"], expected)


def test_rows_are_shares_of_what_came_before() -> None:
    log = successors(users=3, events=30, items=40)
    models = [_model(list(log.items)), _model(list(log.items), name="timed", context=())]
    for one in attention_maps(models, log, rules=RULES):
        for matrix in one.maps.values():
            np.testing.assert_allclose(matrix.sum(1), 1.0, atol=1e-5)
            assert not np.triu(matrix, 1).any()


def test_short_histories_are_shown_where_there_are_no_longer_ones() -> None:
    log = log_of([("u", "a", "view", 0), ("v", "a", "view", 1), ("u", "b", "view", 2)])
    (one,) = attention_maps([_model(["a", "b"])], log, rules=RULES, users=5)
    assert one.user == "u" and one.items == ("a", "b") and one.maps["attention"].shape == (2, 2)


def test_a_model_that_knows_other_items_is_left_out() -> None:
    log = successors(users=1, events=15, items=40)
    models = [_model(list(log.items)), _model(list(log.items)[:5], name="older")]
    assert [list(one.maps) for one in attention_maps(models, log, rules=RULES)] == [["attention"]]


def test_a_short_history_is_drawn_to_the_scale_of_a_long_one() -> None:
    short, long = (heat_map("Attention", ["a"] * size, np.eye(size)) for size in (1, EVENTS))
    width = re.compile(r'viewBox="0 0 (\d+)')
    assert width.findall(short) == width.findall(long) != []


@pytest.mark.parametrize("title", ["plain", '<b>&"', "映画" * 30, ""])
def test_a_heat_map_is_drawn_whatever_the_titles(title: str) -> None:
    from xml.etree import ElementTree

    matrix = np.array([[1.0, 0.0], [0.25, 0.75]])
    drawn = heat_map("Attention", [title, "other"], matrix)
    cells = ElementTree.fromstring(drawn).findall(".//rect")
    assert [float(cell.get("fill-opacity", "")) for cell in cells] == [1.0, 0.33, 1.0]
    assert re.findall(r'class="cell"[^>]*>(\d+)<', drawn) == ["100", "25", "75"]

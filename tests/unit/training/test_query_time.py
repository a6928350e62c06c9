"""A model that is told when its target came, to stand beside published figures of that kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundle.context import moment_codes
from models.encoder_config import EncoderConfig, QueryTime
from stream_app.domain.encoding import encode
from tests.unit.training.logs import log_of
from training.dataset import HistoryRules, vocabulary_of, write_sequences
from training.errors import NothingToJudge, TrainingError
from training.evaluation.planning import ProtocolConfig, prepare
from training.evaluation.query_time import DEFINITION
from training.evaluation.user_order import UserOrder
from training.export import export
from training.fit_config import FitConfig
from training.interactions import Interactions
from training.model_settings import ModelSettings, with_settings
from training.rivals.named import RivalParts, rival_named
from training.train import train
from training.windows import cut_windows, plan_windows

RULES = HistoryRules(max_length=4)
HOUR_S, DAY_S = 3_600, 86_400


def _visits(users: int, visits: int, seed: int = 0) -> Interactions:
    """In the morning a user takes one of the coffees, at night one of the wines; which of the two comes next,
    nothing tells but the hour at which it comes."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(users):
        for day in range(visits):
            morning = bool(random.integers(2))
            at_s = day * DAY_S + (8 if morning else 21) * HOUR_S
            events.append(
                (f"u{user}", f"{'coffee' if morning else 'wine'}{random.integers(30)}", "click", at_s)
            )
    return log_of(events)


def _share_of_the_hour(log: Interactions, query_time: QueryTime) -> tuple[str, float]:
    """The model's name, and how often its first item is of the target's kind."""
    config = ProtocolConfig(protocol="leave-one-out", query_time=query_time)
    plan = prepare(log, config, rules=RULES).plan
    encoder = EncoderConfig(max_length=4, width=16, dropout=0.0, context=(), query_time=query_time)
    fit = FitConfig(epochs=8, learning_rate=1e-2)
    model = rival_named("attention", RivalParts(rules=RULES, fit=fit, encoder=encoder))
    (round_,) = plan.rounds
    model.fit(round_.training)
    right = []
    for questions in round_.questions:
        first = model.recommend(questions.histories, k=1)[:, 0]
        right += [
            log.items[given][0] == log.items[wanted][0]
            for given, wanted in zip(first.tolist(), questions.target.tolist(), strict=True)
        ]
    return model.name, float(np.mean(right))


def test_what_the_target_s_hour_decides_is_known_by_who_is_told_it() -> None:
    log = _visits(users=80, visits=9)
    name, told = _share_of_the_hour(log, "target")
    assert name == "attention-target-time" and told > 0.9
    name, ours = _share_of_the_hour(log, "event")
    assert name == "attention" and ours < 0.75


def test_windows_and_questions_are_of_one_kind(tmp_path: Path) -> None:
    """What is learnt at a target's moment is what is asked at it, the hour and the weekday too."""
    log = _visits(users=5, visits=7, seed=3)
    vocabulary = vocabulary_of(log)
    sequences = write_sequences(log, vocabulary, tmp_path)
    plan = plan_windows(sequences, RULES)
    windows = cut_windows(sequences, plan, RULES, with_context=True, query_time="target")
    assert windows.context is not None
    order = UserOrder(log)
    questions = order.questions(plan[:, 0] + 1)
    target_ms = log.timestamp_ms[questions.place]
    asked = encode(questions.histories.records, target_ms, vocabulary, max_length=4, context_fields=())
    np.testing.assert_array_equal(windows.item_ids, asked.item_ids)
    np.testing.assert_array_equal(windows.time_deltas, asked.time_deltas)
    real, position_ms = windows.item_ids > 0, windows.target_ms
    np.testing.assert_array_equal(windows.context[real], moment_codes(position_ms[real]))
    np.testing.assert_array_equal(position_ms[:, -1], target_ms)


@pytest.mark.parametrize("protocol", ["prequential", "leave-one-out", "temporal", "k-fold"])
def test_every_protocol_asks_the_same_at_the_targets_moments(protocol: str) -> None:
    log = _visits(users=20, visits=6)
    plans = [
        prepare(log, ProtocolConfig(protocol=protocol, core=1, query_time=kind), rules=RULES).plan
        for kind in ("event", "target")
    ]
    assert plans[1].definition == plans[0].definition + DEFINITION
    count = 0
    for ours, told in zip(*(list(plan.rounds) for plan in plans), strict=True):
        for at_event, at_target in zip(ours.questions, told.questions, strict=True):
            assert at_event.histories.records == at_target.histories.records
            assert at_target.histories.now_ms.tolist() == log.timestamp_ms[at_target.place].tolist()
            assert at_event.histories.now_ms.tolist() == log.timestamp_ms[at_event.given_at].tolist()
            count += len(at_target.target)
    assert count


def test_without_times_there_is_nothing_to_tell() -> None:
    log = log_of([(user, item, "click", 0) for user in "uv" for item in "abc"])
    config = ProtocolConfig(protocol="leave-one-out", query_time="target")
    with pytest.raises(NothingToJudge, match="--query-time target tells nothing"):
        prepare(log, config, rules=RULES)


def test_such_a_model_is_neither_set_nor_exported(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no setting 'query_time'"):
        with_settings(ModelSettings(EncoderConfig(), FitConfig()), ["query_time=target"])
    encoder = EncoderConfig(max_length=4, width=16, query_time="target")
    told = train(_visits(users=4, visits=4), encoder=encoder, rules=RULES, config=FitConfig(epochs=1))
    with pytest.raises(ValueError, match="no worker can"):
        export(told, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()

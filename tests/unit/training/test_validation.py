"""The questions of a validation, their answers, and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.encoder import EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.encoding import encode
from stream_app.domain.history import contains, extend
from tests.unit.training.logs import log_of, successors
from training import validation
from training.batches import Batch, EpochBatches
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig
from training.fit_progress import FitProgress
from training.holdout import hold_out
from training.interactions import Interactions
from training.train import train
from training.validation import Questions, draw_questions, gains_and_hits, ranks

RULES = HistoryRules(max_length=5, history_limit=8, positive_types=("view", "like"))
ENCODER = EncoderConfig(max_length=5, width=16, dropout=0.0)
CONFIG = FitConfig(validation="newest", validation_share=0.3, batch_size=8)


@pytest.fixture(scope="module")
def log() -> Interactions:
    random = np.random.default_rng(0)
    kinds = ("view", "like", "dislike")
    return log_of(
        [
            (f"u{random.integers(15)}", f"i{random.integers(40)}", kinds[random.integers(3)], moment)
            for moment in range(500)
        ]
    )


@pytest.fixture
def sequences(log: Interactions, tmp_path: Path) -> Sequences:
    return write_sequences(log, vocabulary_of(log), tmp_path)


def _questions(sequences: Sequences, config: FitConfig = CONFIG) -> Questions:
    held = hold_out(sequences, config)
    assert held is not None
    return draw_questions(sequences, held, rules=RULES, config=config)


def _model(items: int) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(ENCODER, vectors=torch.randn(items, 16), bias=torch.randn(items))


def test_asked_is_what_a_worker_would_be_judged_by(log: Interactions, sequences: Sequences) -> None:
    """Walked event by event, with the worker's own history and encoding."""
    vocabulary, records, expected = vocabulary_of(log), dict[bytes, bytes](), []
    from_ms = np.sort(log.timestamp_ms)[round(len(log) * 0.7)]
    before_ms: dict[bytes, int] = {}
    for event in log.events():
        record = records.get(event.user)
        judged = event.timestamp_ms >= from_ms and event.type_code in RULES.positive_codes
        if record is not None and judged and not contains(record, event.item_hash):
            inputs = encode([record], [before_ms[event.user]], vocabulary, max_length=RULES.max_length)
            seen = tuple(sorted(set(inputs.exclude_ids[0].tolist()) - {0}))
            assert event.item_id is not None
            expected.append((tuple(inputs.item_ids[0].tolist()), seen, vocabulary.row(event.item_id)))
        grown = extend(record, [event], epoch=0, limit=RULES.history_limit, max_age_ms=RULES.max_age_ms)
        assert grown is not None
        records[event.user], before_ms[event.user] = grown, event.timestamp_ms
    questions = _questions(sequences)
    asked = [
        (tuple(ids), tuple(sorted(set(seen) - {0})), target)
        for ids, seen, target in zip(
            questions.item_ids.tolist(), questions.seen.tolist(), questions.target.tolist(), strict=True
        )
    ]
    assert sorted(asked) == sorted(expected) and len(asked) > 30


def test_no_more_are_asked_than_wanted_and_the_seed_draws_them(sequences: Sequences) -> None:
    few = FitConfig(validation="newest", validation_share=0.3, validation_questions=20)
    one, again = _questions(sequences, few), _questions(sequences, few)
    other = _questions(sequences, FitConfig(**{**few.__dict__, "seed": 1}))
    assert len(one.target) == 20
    assert one.item_ids.tolist() == again.item_ids.tolist() != other.item_ids.tolist()


def test_ranks_are_those_of_the_whole_catalogue_chunk_by_chunk(
    sequences: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, items = _questions(sequences), int(sequences.row.max())
    model = _model(items).train()
    expected = []
    for number, target in enumerate(questions.target.tolist()):
        arrays = (questions.item_ids, questions.event_types, questions.time_deltas)
        ids, types, deltas = (torch.from_numpy(array[number : number + 1]) for array in arrays)
        vectors = torch.cat([torch.zeros(1, 16), model.vectors.detach()])
        state, _ = model.encoder(vectors[ids.long()], ids, types, deltas, last_only=True)
        scores = (state[0, 0] @ model.vectors.T + model.bias).tolist()
        seen = set(questions.seen[number].tolist())
        left = [row for row in range(1, items + 1) if row not in seen]
        place = sorted(left, key=lambda row: -scores[row - 1]).index(target) + 1
        expected.append(place if place <= 10 else 0)
    assert 0 < np.count_nonzero(expected) < len(expected)
    assert ranks(model, questions).tolist() == expected
    assert model.training
    monkeypatch.setattr(validation, "_QUESTIONS_AT_ONCE", 7)
    assert ranks(model, questions).tolist() == expected
    # Shared among processes: every question once.
    parts = [ranks(model, questions, rank=rank, ranks=3).tolist() for rank in range(3)]
    assert parts == [expected[rank::3] for rank in range(3)]


def test_figures_are_those_of_the_definitions() -> None:
    ndcg, hits = gains_and_hits(np.array([1, 3, 10, 0]))
    assert hits == 3
    assert ndcg == pytest.approx(1 + 1 / np.log2(4) + 1 / np.log2(11))


def test_the_best_epochs_weights_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the fourth epoch on, what comes next counts against its item: they do harm."""
    cut = EpochBatches.batch
    epochs: list[EpochBatches] = []

    def turned(self: EpochBatches, number: int) -> Batch:
        if self not in epochs:
            epochs.append(self)
        batch = cut(self, number)
        return batch | {"weights": batch["weights"] * (1 if len(epochs) <= 3 else -1)}

    monkeypatch.setattr(EpochBatches, "batch", turned)
    lines: list[str] = []
    log = successors(users=15, events=30, items=40)
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    config = replace(CONFIG, epochs=12, learning_rate=2e-3)
    whole = train(log, encoder=ENCODER, rules=RULES, config=config, say=lines.append)
    report = whole.report
    assert len(report.losses) == len(report.ndcg) == len(report.hit_rate) == report.epochs == 12
    assert 1 < report.best_epoch == int(np.argmax(report.ndcg)) + 1 < 9
    assert report.ndcg[0] < max(report.ndcg) > report.ndcg[-1]
    ndcg, hits = gains_and_hits(ranks(whole.model, questions := _questions(sequences)))
    assert ndcg / len(questions.target) == pytest.approx(max(report.ndcg))
    assert hits / len(questions.target) == pytest.approx(report.hit_rate[report.best_epoch - 1])
    assert f"held out NDCG@10 {report.ndcg[4]:.4f}, HR@10 {report.hit_rate[4]:.4f}" in lines[4]

    epochs.clear()
    config = replace(config, patience=3)
    early = train(log, encoder=ENCODER, rules=RULES, config=config, say=lines.append).report
    assert early.best_epoch is not None and early.epochs == early.best_epoch + 3 < 12
    assert early.ndcg == report.ndcg[: early.epochs]
    assert lines[-1] == f"no better NDCG@10 since epoch {early.best_epoch}, whose weights are kept"


def test_patience_counts_epochs_since_the_first_of_the_best() -> None:
    progress = FitProgress(ndcg=[0.1, 0.3, 0.3], epochs_done=3)
    assert (progress.best_epoch, progress.is_stale(2), progress.is_stale(1)) == (2, False, True)
    assert not progress.is_stale(None) and not FitProgress(epochs_done=3).is_stale(1)


def test_a_log_without_any_question_is_refused_with_the_remedy(tmp_path: Path) -> None:
    log = log_of([("u", item, "view", at) for at, item in enumerate("aba")])
    with pytest.raises(TrainingError, match=r"none of the 1 held-out events can be asked.*; train with"):
        train(log, encoder=ENCODER, rules=RULES, config=FitConfig(validation="last"))

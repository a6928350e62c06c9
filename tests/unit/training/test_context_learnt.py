"""The same history ranks differently in another moment, where the log says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.context import field_code
from models.encoder_config import EncoderConfig
from stream_app.domain.decoding import TYPE_CODES, Interaction
from stream_app.domain.encoding import encode
from stream_app.domain.history import extend
from tests.unit.training.logs import START_MS as LOG_START_MS
from tests.unit.training.logs import log_of
from training.dataset import HistoryRules, vocabulary_of, write_sequences
from training.fit_config import FitConfig
from training.interactions import Interactions
from training.sources.files import read_interactions
from training.torch_scorer import TorchScorer
from training.train import TrainedModel, train
from training.windows import cut_windows, plan_windows

HOUR_MS = 3_600_000
START_MS = 1_700_006_400_000  # midnight, a Wednesday
RULES = HistoryRules(max_length=6)


def _days(random: np.random.Generator, *, users: int, visits: int, by_device: bool) -> Interactions:
    """At each visit a user opens one of ten pages, and minutes later takes what the hour asks for, or, with
    `by_device`, what suits the device; the days and the pages tell nothing."""
    events: list[tuple[str, str, str, int]] = []
    devices: list[int] = []
    for user in range(users):
        at_ms = START_MS
        for _ in range(visits):
            at_ms += int(random.integers(1, 4)) * 24 * HOUR_MS
            morning = bool(random.integers(2))
            opened_ms = at_ms + (8 if morning and not by_device else 21) * HOUR_MS
            events.append((f"u{user}", f"page{random.integers(10)}", "view", opened_ms))
            events.append((f"u{user}", "coffee" if morning else "wine", "click", opened_ms + 60_000))
            devices += [field_code("device", "phone" if morning else "tv")] * 2
    log = _log_at(events)
    return replace(log, context=np.array(devices, dtype=np.int16)[:, None]) if by_device else log


def _log_at(events: Sequence[tuple[str, str, str, int]]) -> Interactions:
    """As `log_of`, from milliseconds since the epoch."""
    return log_of([(*event[:3], (event[3] - LOG_START_MS) // 1000) for event in events])


def _learnt(log: Interactions, context: tuple[str, ...] | None) -> TrainedModel:
    encoder = EncoderConfig(max_length=6, width=16, blocks=1, dropout=0.0, context=context)
    return train(log, encoder=encoder, rules=RULES, config=FitConfig(epochs=12, learning_rate=1e-2))


def _leads(trained: TrainedModel, now_ms: int, device: str | None) -> float:
    """By how much coffee is above wine, for a user who just opened a page at that moment."""
    event = Interaction(
        0,
        b"u",
        int(trained.vocabulary.hashes[trained.vocabulary.row("page3")]),
        now_ms,
        TYPE_CODES["view"],
        "page3",
    )
    record = extend(None, [event], epoch=0, limit=10, max_age_ms=1 << 40)
    assert record is not None
    fields = trained.model.encoder.config.context
    told = [None if device is None else {"device": device}]
    inputs = encode(
        [record], [now_ms], trained.vocabulary, max_length=6, context_fields=fields, contexts=told
    )
    ranked = TorchScorer(trained.model, k_limit=11).score(inputs)
    score = dict(zip(ranked.topk_ids[0].tolist(), ranked.topk_scores[0].tolist(), strict=True))
    return score[trained.vocabulary.row("coffee")] - score[trained.vocabulary.row("wine")]


def test_the_hour_decides_where_it_decided_in_the_log() -> None:
    log = _days(np.random.default_rng(0), users=40, visits=12, by_device=False)
    morning, night = START_MS + 30 * 24 * HOUR_MS + 8 * HOUR_MS, START_MS + 30 * 24 * HOUR_MS + 21 * HOUR_MS
    told = _learnt(log, ())
    assert _leads(told, morning, None) > 1.0
    assert _leads(told, night, None) < -1.0
    blind = _learnt(log, None)
    assert _leads(blind, morning, None) == pytest.approx(_leads(blind, night, None))


def test_an_event_s_own_context_decides_where_it_did() -> None:
    log = _days(np.random.default_rng(1), users=40, visits=12, by_device=True)
    night = START_MS + 30 * 24 * HOUR_MS + 21 * HOUR_MS
    told = _learnt(log, ("device",))
    assert _leads(told, night, "phone") > 1.0
    assert _leads(told, night, "tv") < -1.0


def test_a_window_has_each_event_s_own_moment(tmp_path: Path) -> None:
    log = _log_at(
        [
            ("u", "a", "view", START_MS),
            ("v", "a", "view", START_MS),
            ("u", "b", "view", START_MS + 26 * HOUR_MS),
            ("u", "c", "view", START_MS + 27 * HOUR_MS),
        ]
    )
    log = replace(log, context=np.array([[1], [2], [3], [4]], dtype=np.int16))
    sequences = write_sequences(log, vocabulary_of(log), tmp_path)
    windows = cut_windows(sequences, plan_windows(sequences, RULES), RULES, with_context=True)
    assert windows.context is not None
    # Wednesday is the third day; the last event is nobody's input here, but a target.
    assert windows.context[0].tolist() == [[0, 0, 0]] * 4 + [[1, 3, 1], [3, 4, 3]]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_s_contexts_are_kept_as_codes(tmp_path: Path, suffix: str) -> None:
    import polars as pl

    told = [{"device": "tv", "n": 2}, None, {"device": "phone", "n": None}]
    rows = {
        "user_id": ["u"] * 3,
        "item_id": ["a", "b", "c"],
        "timestamp": [START_MS, START_MS + 1, START_MS + 2],
    }
    path = tmp_path / f"interactions{suffix}"
    if suffix == ".csv":
        quoted = ['"{""device"":""tv"",""n"":2}"', "{not json", '"{""device"":""phone""}"']
        lines = [
            f"u,{item},{START_MS + place},{text}"
            for place, (item, text) in enumerate(zip("abc", quoted, strict=True))
        ]
        path.write_text("\n".join(["user_id,item_id,timestamp,context", *lines]))
    elif suffix == ".jsonl":
        pl.DataFrame(rows | {"context": told}).write_ndjson(path)
    else:
        pl.DataFrame(rows | {"context": told}).write_parquet(path)
    log = read_interactions(path, context_fields=("device", "n"))
    expected = [[field_code("device", "tv"), field_code("n", 2)], [0, 0], [field_code("device", "phone"), 0]]
    assert log.context is not None and log.context.tolist() == expected
    assert read_interactions(path).context is None

"""A log in, a trained model out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.sequence_model import SequenceModel
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig, FitFolders, FitReport
from training.fitting import fit
from training.holdout import hold_out
from training.interactions import Interactions
from training.starting_point import popularity_bias, spectral_vectors

_VECTOR_SCALE = 0.1


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A fitted model and what it was made of."""

    model: SequenceModel
    vocabulary: Vocabulary
    rules: HistoryRules
    window: TrainingWindow
    report: FitReport


def train(
    interactions: Interactions,
    *,
    encoder: EncoderConfig | None = None,
    rules: HistoryRules | None = None,
    config: FitConfig | None = None,
    folders: FitFolders | None = None,
    show_progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> TrainedModel:
    """Train on the whole of `interactions`, but for what `config.validation` holds out; the same seed gives
    the same model, unless `seconds` cut it short.

    Raises TrainingError where the log holds nothing to learn from, TrainingDiverged where learning fails,
    UnusableCheckpoint where `folders.checkpoints` holds those of another fit.
    """
    rules, config = rules or HistoryRules(), config or FitConfig()
    encoder = encoder or EncoderConfig(max_length=rules.max_length)
    if encoder.max_length != rules.max_length:
        raise ValueError(
            f"the encoder reads {encoder.max_length} events, the histories give {rules.max_length}"
        )
    lightning.seed_everything(config.seed, verbose=False)
    vocabulary = vocabulary_of(interactions)
    with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
        sequences = write_sequences(interactions, vocabulary, Path(folder))
        held_out = hold_out(sequences, config)
        model = _starting_model(
            interactions, sequences, len(vocabulary), encoder=encoder, rules=rules, held_out=held_out
        )
        report = fit(
            model,
            sequences,
            rules=rules,
            config=config,
            held_out=held_out,
            folders=folders,
            show_progress=show_progress,
            say=say,
        )
    return TrainedModel(
        model=model, vocabulary=vocabulary, rules=rules, window=training_window(interactions), report=report
    )


def training_window(interactions: Interactions) -> TrainingWindow:
    """Which part of the log it was, for the manifest."""
    times = interactions.timestamp_ms
    return TrainingWindow(
        offsets=interactions.offsets,
        first_timestamp=int(times.min()) if len(times) else None,
        last_timestamp=int(times.max()) if len(times) else None,
        interactions=len(interactions),
        users=len(np.unique(interactions.user)),
    )


def _starting_model(
    interactions: Interactions,
    sequences: Sequences,
    items: int,
    *,
    encoder: EncoderConfig,
    rules: HistoryRules,
    held_out: NDArray[np.bool_] | None,
) -> SequenceModel:
    # Only events after a user's first are ever predicted.
    follows = np.ones(len(sequences.row), dtype=bool)
    follows[sequences.start[:-1]] = False
    wanted = np.isin(sequences.type_code, rules.positive_codes)
    user = np.repeat(np.arange(len(sequences.start) - 1, dtype=np.int32), np.diff(sequences.start))
    row, held = sequences.row, ""
    if held_out is not None:
        learnt = ~held_out
        held = f", {int((~learnt).sum())} of them held out,"
        follows, wanted, user, row = follows[learnt], wanted[learnt], user[learnt], row[learnt]
    if not (follows & wanted).any():
        raise TrainingError(
            f"{len(interactions)} interactions{held} hold no user with a positive event after another one; "
            f"collect more events, or set other positive types than {', '.join(rules.positive_types)}"
        )
    counts = np.bincount(row[wanted] - 1, minlength=items).astype(np.float64)
    vectors = spectral_vectors(user, row - 1, items=items, width=encoder.width, scale=_VECTOR_SCALE)
    return SequenceModel(encoder, vectors=vectors, bias=popularity_bias(counts))

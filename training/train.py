"""A log in, a trained model out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle.item_features import learn_schema
from models.bundle.manifest import TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.sequence_model import SequenceModel
from stream_app.domain.messages import Item
from training.dataset import HistoryRules, Sequences, vocabulary_of, write_sequences
from training.errors import TrainingError
from training.fit_config import FitConfig, FitFolders, FitReport
from training.fitting import fit
from training.holdout import hold_out
from training.interactions import Interactions
from training.item_start import TowerConfig, known_items
from training.long_columns import occurrences
from training.starting_point import learnt_events, learnt_pairs, popularity_bias, spectral_vectors
from training.untouched_bias import settle_untouched_bias

_VECTOR_SCALE = 0.1
_RARE = 0.25
"""The rarest quarter of the items tells how learning moves the bias of one that is not there."""


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A fitted model and what it was made of; `items` are those of the vocabulary, in its order, where the
    model reads their fields."""

    model: SequenceModel
    vocabulary: Vocabulary
    rules: HistoryRules
    window: TrainingWindow
    report: FitReport
    items: tuple[Item, ...] = ()


def train(
    interactions: Interactions,
    *,
    encoder: EncoderConfig | None = None,
    rules: HistoryRules | None = None,
    config: FitConfig | None = None,
    folders: FitFolders | None = None,
    items: Mapping[str, Item] | None = None,
    tower: TowerConfig | None = None,
    show_progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> TrainedModel:
    """Train on the whole of `interactions`, but for what `config.validation` holds out; the same seed gives
    the same model, unless `seconds` cut it short.

    With `items`, by id, the items' vectors are made of their fields as well; the fields are those that occur
    among all of them, touched or not. Without, or where nothing is told of any, of their ids alone.

    Raises TrainingError where the log holds nothing to learn from, TrainingDiverged where learning fails,
    UnusableCheckpoint where `folders.checkpoints` holds those of another fit.
    """
    rules, config = rules or HistoryRules(), config or FitConfig()
    encoder = encoder or EncoderConfig(max_length=rules.max_length)
    if encoder.max_length != rules.max_length:
        raise ValueError(
            f"the encoder reads {encoder.max_length} events, the histories give {rules.max_length}"
        )
    if not interactions.has_times and encoder.attention == "relative-time":
        # Without times the two are one and the same; this one is sooner done.
        encoder = replace(encoder, attention="scaled-dot-product")
    lightning.seed_everything(config.seed, verbose=False)
    vocabulary = vocabulary_of(interactions)
    with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
        sequences = write_sequences(interactions, vocabulary, Path(folder))
        held_out = hold_out(sequences, config)
        model, counts = _starting_model(
            interactions, sequences, len(vocabulary), encoder=encoder, rules=rules, held_out=held_out
        )
        told, items = tuple[Item, ...](), items or {}
        if (schema := learn_schema(items.values())).fields:
            told = tuple(items.get(item_id, Item(item_id=item_id)) for item_id in vocabulary.item_ids)
            model.known = known_items(
                told,
                schema,
                vectors=model.vectors.detach(),
                counts=counts,
                config=tower or TowerConfig(),
            )
        start = model.bias.detach().clone()
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
    if model.known is not None:
        rare = torch.from_numpy(counts <= np.quantile(counts, _RARE))
        # Learning has moved all biases; that of an item which was not there moves with those of rare ones.
        moved = float((model.bias.detach() - start)[rare].mean())
        welcome = (tower or TowerConfig()).welcome
        settle_untouched_bias(model.known.tower, interactions, items, added=moved + welcome)
    return TrainedModel(
        model=model,
        vocabulary=vocabulary,
        rules=rules,
        window=training_window(interactions),
        report=report,
        items=told,
    )


def training_window(interactions: Interactions) -> TrainingWindow:
    """Which part of the log it was, for the manifest."""
    times = interactions.timestamp_ms
    return TrainingWindow(
        offsets=interactions.offsets,
        first_timestamp=int(times.min()) if len(times) else None,
        last_timestamp=int(times.max()) if len(times) else None,
        interactions=len(interactions),
        users=int((occurrences(interactions.user, len(interactions.users)) > 0).sum()),
    )


def _starting_model(
    interactions: Interactions,
    sequences: Sequences,
    items: int,
    *,
    encoder: EncoderConfig,
    rules: HistoryRules,
    held_out: NDArray[np.bool_] | None,
) -> tuple[SequenceModel, NDArray[np.float64]]:
    """The model, and how often each item occurs in what is learnt."""
    learnt = learnt_events(sequences, held_out, codes=rules.positive_codes, items=items)
    if not learnt.follows:
        held = "" if held_out is None else f", {int(held_out.sum())} of them held out,"
        raise TrainingError(
            f"{len(interactions)} interactions{held} hold no user with a positive event after another one; "
            f"collect more events, or set other positive types than {', '.join(rules.positive_types)}"
        )
    user, item = learnt_pairs(sequences, held_out)
    vectors = spectral_vectors(user, item, items=items, width=encoder.width, scale=_VECTOR_SCALE)
    return SequenceModel(encoder, vectors=vectors, bias=popularity_bias(learnt.counts)), learnt.counts

"""A trained model in a file, to be exported later or elsewhere."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import torch

from models.bundle.item_features import FeatureSchema, item_inputs
from models.bundle.manifest import TrainingWindow
from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from models.item_tower import ItemTower
from models.known_items import KnownItems
from models.sequence_model import SequenceModel
from stream_app.domain.messages import Item
from training.dataset import HistoryRules
from training.errors import UnusableSource
from training.fit_config import FitReport
from training.train import TrainedModel

_FORMAT = 3
_UNREADABLE = (
    OSError, RuntimeError, KeyError, TypeError, AttributeError, EOFError, pickle.UnpicklingError,
    msgspec.DecodeError,
)  # fmt: skip


def save(trained: TrainedModel, path: Path) -> None:
    """Write the model, its items and what it was made of. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save(
        {
            "format": _FORMAT,
            "encoder": asdict(trained.model.encoder.config),
            "weights": trained.model.state_dict(),
            "item_ids": list(trained.vocabulary.item_ids),
            "rules": asdict(trained.rules),
            "window": msgspec.to_builtins(trained.window),
            "report": asdict(trained.report),
            **_fields_stored(trained),
        },
        partial,
    )
    partial.replace(path)


def load(path: Path) -> TrainedModel:
    """Read what `save` wrote. Raises UnusableSource where it is not that."""
    try:
        # weights_only: a checkpoint is data, and must not run code.
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if stored["format"] != _FORMAT:
            raise UnusableSource(f"{path}: checkpoint format {stored['format']}; train the model again")
        weights = stored["weights"]
        model = SequenceModel(
            _encoder_config(stored["encoder"]), vectors=weights["vectors"], bias=weights["bias"]
        )
        items = _restore_fields(model, stored)
        model.load_state_dict(weights)
        return TrainedModel(
            model=model.eval(),
            vocabulary=Vocabulary(stored["item_ids"]),
            rules=HistoryRules(
                **{**stored["rules"], "positive_types": tuple(stored["rules"]["positive_types"])}
            ),
            window=msgspec.convert(stored["window"], TrainingWindow),
            report=FitReport(**stored["report"]),
            items=items,
        )
    except FileNotFoundError as error:
        raise UnusableSource(
            f"{path}: there is no such file; millstream train --checkpoint writes one"
        ) from error
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableSource(f"{path}: not a checkpoint ({reason}); train the model again") from error


def _encoder_config(stored: dict[str, Any]) -> EncoderConfig:
    context = stored["context"]
    return EncoderConfig(**{**stored, "context": None if context is None else tuple(context)})


def _fields_stored(trained: TrainedModel) -> dict[str, bytes]:
    """What the model needs of the items' fields beside its weights; nothing where it reads none."""
    if trained.model.known is None:
        return {}
    schema = trained.model.known.tower.schema
    # Not JSON, which has no NaN.
    return {"item_schema": msgspec.json.encode(schema), "items": msgspec.msgpack.encode(trained.items)}


def _restore_fields(model: SequenceModel, stored: dict[str, Any]) -> tuple[Item, ...]:
    """Give a model that is to be loaded its tower."""
    if "items" not in stored:
        return ()
    schema = msgspec.json.decode(stored["item_schema"], type=FeatureSchema)
    items = msgspec.msgpack.decode(stored["items"], type=tuple[Item, ...])
    tower = ItemTower(schema, width=model.vectors.shape[1])
    model.known = KnownItems(tower, item_inputs(items, schema), trust=torch.zeros(len(items)))
    return items

"""Checkpoints of a fit under way: when they are written, which is kept, and whose they are."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from xxhash import xxh3_128

from models.known_items import KnownItems
from models.sequence_model import SequenceModel
from training.dataset import HistoryRules, Sequences
from training.errors import UnusableCheckpoint
from training.fit_config import FitConfig
from training.long_columns import pieces

_UNREADABLE = (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError)
_FORMAT = 3
"""Of the model's parameters and of what is drawn in training; 1 was not told."""


def facts_of(
    model: SequenceModel, sequences: Sequences, *, rules: HistoryRules, config: FitConfig
) -> dict[str, str]:
    """What must be the same for a fit to go on: the log, the items, the model's sizes, the settings."""
    digest = xxh3_128()
    for name in ("row", "type_code", "timestamp_ms", "start", "context"):
        array = getattr(sequences, name)
        if array is None:
            continue
        for piece in pieces(len(array)):
            digest.update(np.ascontiguousarray(array[piece]).data)
    facts = {"log": f"{len(sequences.row)} interactions, {digest.hexdigest()[:12]}", "format": str(_FORMAT)}
    if model.known is not None:
        facts["items"] = _facts_of_items(model.known)
    for part in (model.encoder.config, rules, config):
        facts |= {name: json.dumps(value, default=str) for name, value in asdict(part).items()}
    return facts


def _facts_of_items(known: KnownItems) -> str:
    digest = xxh3_128()
    tokens = known.averages
    for part in (tokens.crow_indices(), tokens.col_indices(), known.basis, known.embedding, known.mask):
        digest.update(np.ascontiguousarray(part.numpy()).data)
    fields = ", ".join(known.tower.schema.fields)
    return f"{len(known.mask)} with {fields}, {digest.hexdigest()[:12]}"


def newest_checkpoint(folder: Path, facts: dict[str, str]) -> Path | None:
    """The newest checkpoint of `folder`, or None where there is none yet.

    Raises UnusableCheckpoint where it is one of another log or of other settings, or cannot be read.
    """
    found = sorted(folder.glob("step-*.ckpt"))
    if not found:
        return None
    try:
        there = stored_in(found[-1])["facts"]
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableCheckpoint(f"{found[-1]}: not a checkpoint of a fit ({reason}); remove it") from error
    differing = [
        f"{name} is {facts.get(name, 'missing')}, was {there.get(name, 'missing')}"
        for name in sorted({*facts, *there})
        if facts.get(name) != there.get(name)
    ]
    if differing:
        raise UnusableCheckpoint(
            f"{folder} holds the checkpoint of another fit ({'; '.join(differing)}); "
            "name another folder, or remove this one"
        )
    return found[-1]


def stored_in(path: Path) -> dict[str, Any]:
    """What `FitModule` put into a checkpoint."""
    # weights_only: a checkpoint is data, and must not run code.
    stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["millstream"]
    return stored


class CheckpointWriter(Checkpoint):
    """Writes a checkpoint after each epoch, and within one each `minutes`; 0: after each step.

    Each is written whole and then renamed. The newest is kept, and the one before it until the next loss has
    shown that the newest is good.
    """

    def __init__(self, folder: Path, *, minutes: float, resumed: Path | None) -> None:
        self._folder, self._minutes = folder, minutes
        self._newest, self._is_good = resumed, False
        self._written_s = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._is_good:  # but this batch's loss came of its weights
            self._is_good = True
            self._remove_older(trainer)
        due = time.monotonic() - self._written_s >= 60.0 * self._minutes
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)
        if due and not trainer.is_last_batch:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._write(trainer)

    def settle(self, trainer: lightning.Trainer) -> None:
        """The fit has ended well: the newest is left alone."""
        self._remove_older(trainer)

    def last_good(self) -> Path | None:
        """The newest checkpoint whose weights gave a loss, now that one did not; a newer one is removed."""
        if not self._is_good and self._newest is not None:
            self._newest.unlink(missing_ok=True)
        left = sorted(self._folder.glob("step-*.ckpt"))
        return left[-1] if left else None

    def _write(self, trainer: lightning.Trainer) -> None:
        path = self._folder / f"step-{trainer.global_step:09d}.ckpt"
        partial = path.with_name(path.name + ".partial")
        trainer.save_checkpoint(partial)  # of all ranks; rank 0 writes
        if trainer.is_global_zero:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        self._newest, self._is_good, self._written_s = path, False, time.monotonic()

    def _remove_older(self, trainer: lightning.Trainer) -> None:
        if not trainer.is_global_zero or self._newest is None:
            return
        for path in self._folder.glob("step-*.ckpt"):
            if path.name < self._newest.name:
                path.unlink()

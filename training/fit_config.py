"""How to fit a model, and how it went; told without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Validation = Literal["none", "last", "newest"]
Loss = Literal["auto", "full-softmax", "sampled-softmax", "binary"]
Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and how fast to learn, and what is held out to see how well.

    `seconds`, where given, ends the fit even before `epochs` are done; the learning rate falls in time for
    it, and the result then depends on the machine's speed. A target that is `recency_half_life_days` older
    than the log's end counts half: what is chosen changes, and it is the present that is predicted.

    loss                  full-softmax: over every item; sampled-softmax: over `negatives` drawn ones (4096 by
                          default), for catalogues that full cannot pay for; binary: each target against
                          `negatives` (1) of its own; auto: full-softmax where it is affordable
    type_weights          what a target of a type counts, where not 1 (positive types) or 0 (the others);
                          below 0 it counts against its item, as for a dislike
    group_lengths         batches of windows of about one length, cut to the longest: less padding to compute
    item_fields_rate      what is learnt of items' fields learns at this part of the rate: at the whole of it,
                          tokens of few items are learnt by heart
    validation            last: each user's last event is held out; newest: the newest `validation_share` of
                          the log by time. What is held out is never a target, and after every epoch at most
                          `validation_questions` of it are asked; the best epoch's weights come out
    patience              the fit ends after so many epochs without a better NDCG@10; None: never for this
    precision             bf16: matrix products in bfloat16, weights and sums in float32. auto: on CUDA alone
    devices               so many processes share each batch; GPUs where there are any, else on the CPU

    Raises ValueError for a number out of its range.
    """

    epochs: int = 6
    seconds: float | None = None
    batch_size: int = 16
    group_lengths: bool = False
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    recency_half_life_days: float | None = 1095.0
    gradient_norm_limit: float = 1.0
    loss: Loss = "auto"
    negatives: int | None = None
    type_weights: tuple[tuple[str, float], ...] = ()
    item_fields_rate: float = 0.025
    seed: int = 0
    validation: Validation = "none"
    validation_share: float = 0.1
    validation_questions: int = 5_000
    patience: int | None = None
    precision: Precision = "auto"
    devices: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "negatives", "validation_questions", "patience", "devices"):
            self._require(name, lambda value: value >= 1, "at least 1")
        for name in ("seconds", "learning_rate", "recency_half_life_days", "gradient_norm_limit"):
            self._require(name, lambda value: value > 0, "above 0")
        for name in ("weight_decay", "item_fields_rate"):
            self._require(name, lambda value: value >= 0, "at least 0")
        self._require("label_smoothing", lambda value: 0 <= value < 1, "at least 0 and below 1")
        self._require("validation_share", lambda value: 0 < value < 1, "between 0 and 1")
        for name, weight in self.type_weights:
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {name} is {weight:g}; it must be a number")

    def _require(self, name: str, is_fine: Callable[[float], bool], wanted: str) -> None:
        value = getattr(self, name)
        if value is not None and not is_fine(value):
            raise ValueError(f"{name} is {value:g}; it must be {wanted}")


@dataclass(frozen=True, kw_only=True)
class FitFolders:
    """What a fit leaves on disk while it runs; None: nothing.

    checkpoints         a checkpoint each epoch and each `checkpoint_minutes` (0: each step), the newest kept;
                        a fit of the same log and settings goes on from there
    logs                figures per step and epoch, as CSV and for TensorBoard
    """

    checkpoints: Path | None = None
    checkpoint_minutes: float = 5.0
    logs: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """What a fit took and where it ended; `loss` is the mean of the last epoch.

    losses           the mean of each epoch
    ndcg, hit_rate   NDCG@10 and HR@10 on what was held out, after each epoch; empty without a validation
    best_epoch       whose weights came out, from 1; None without a validation: the last
    """

    epochs: int
    steps: int
    loss: float
    seconds: float
    losses: tuple[float, ...] = ()
    ndcg: tuple[float, ...] = ()
    hit_rate: tuple[float, ...] = ()
    best_epoch: int | None = None


def without_times(config: FitConfig) -> FitConfig:
    """The same for a log that tells the order alone: nothing in it is recent, or newest."""
    validation: Validation = "last" if config.validation == "newest" else config.validation
    return replace(config, recency_half_life_days=None, validation=validation)

"""How to fit a model, and how it went; told without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and how fast to learn.

    `seconds`, where given, ends the fit even before `epochs` are done; the learning rate falls in time for
    it, and the result then depends on the machine's speed. A target that is `recency_half_life_days` older
    than the log's end counts half: what is chosen changes, and it is the present that is predicted.
    What is learnt of items' fields learns at `item_fields_rate` of the rate: at the whole of it, tokens of
    few items are learnt by heart.
    """

    epochs: int = 3
    seconds: float | None = None
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    recency_half_life_days: float | None = 1095.0
    gradient_norm_limit: float = 1.0
    item_fields_rate: float = 0.1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """What a fit took and where it ended; `loss` is the mean of the last epoch."""

    epochs: int
    steps: int
    loss: float
    seconds: float

"""The fit itself, on lightning: batches, optimiser, schedule, and when to stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import RichProgressBar
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.sequence_model import SequenceModel
from training.dataset import HistoryRules, Sequences, cut_windows, plan_windows
from training.errors import TrainingDiverged
from training.fit_config import FitConfig, FitReport

DAY_MS = 86_400_000
_LAST_RATE = 0.02
"""The learning rate falls in a line to this part of its start."""

Batch = dict[str, Tensor]


def fit(
    model: SequenceModel,
    sequences: Sequences,
    *,
    rules: HistoryRules,
    config: FitConfig,
    show_progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> FitReport:
    """Fit `model` in place and leave it in eval mode on the CPU.

    `show_progress` draws a bar on stderr; `say` gets a line per epoch. Raises TrainingDiverged at the first
    loss that is not a number.
    """
    module = _Fit(model, sequences, rules=rules, config=config, say=say)
    bar = RichProgressBar(leave=False, console_kwargs={"stderr": True})
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=config.epochs,
            accelerator="auto",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=show_progress,
            callbacks=[bar] if show_progress else [],
            gradient_clip_val=config.gradient_norm_limit,
            reload_dataloaders_every_n_epochs=1,
            deterministic=torch.cuda.is_available(),
        )
        _fit_interruptibly(trainer, module)
    model.cpu().eval()
    return FitReport(
        epochs=module.epochs_done,
        steps=trainer.global_step,
        loss=module.epoch_loss,
        seconds=time.monotonic() - module.started_s,
    )


def _fit_interruptibly(trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module)
    except SystemExit as left:
        # Lightning's answer to Ctrl-C, after which it leaves SIGINT ignored.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from left


class WindowBatches(Dataset[Batch]):
    """The batches of one epoch; each is cut when it is asked for."""

    def __init__(
        self, sequences: Sequences, *, rules: HistoryRules, config: FitConfig, random: np.random.Generator
    ) -> None:
        plan = plan_windows(sequences, max_length=rules.max_length, random=random)
        self._plan: NDArray[np.int64] = plan[random.permutation(len(plan))]
        self._sequences, self._rules, self._config = sequences, rules, config
        self._end_ms = int(sequences.timestamp_ms.max(initial=0))

    def __len__(self) -> int:
        return -(-len(self._plan) // self._config.batch_size)

    def __getitem__(self, index: int) -> Batch:
        size = self._config.batch_size
        windows = cut_windows(self._sequences, self._plan[index * size : (index + 1) * size], self._rules)
        half_life_days = self._config.recency_half_life_days
        age_days = (self._end_ms - windows.target_ms) / DAY_MS
        weights = np.ones_like(age_days) if half_life_days is None else 0.5 ** (age_days / half_life_days)
        return {
            "item_ids": torch.from_numpy(windows.item_ids).long(),
            "event_types": torch.from_numpy(windows.event_types).long(),
            "time_deltas": torch.from_numpy(windows.time_deltas),
            "targets": torch.from_numpy(windows.targets).long(),
            "weights": torch.from_numpy(weights.astype(np.float32)),
        }


class _Fit(lightning.LightningModule):
    def __init__(
        self,
        model: SequenceModel,
        sequences: Sequences,
        *,
        rules: HistoryRules,
        config: FitConfig,
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.model = model
        self.epochs_done, self.epoch_loss, self.started_s = 0, float("nan"), time.monotonic()
        self._sequences, self._rules, self._config, self._say = sequences, rules, config, say
        self._on_sigterm = signal.getsignal(signal.SIGTERM)
        self._losses: list[float] = []
        self._expected_steps = 1

    def train_dataloader(self) -> DataLoader[Batch]:
        random = np.random.default_rng((self._config.seed, self.current_epoch))
        batches = WindowBatches(self._sequences, rules=self._rules, config=self._config, random=random)
        if not self.current_epoch:
            self._expected_steps = max(len(batches) * self._config.epochs, 1)
        return DataLoader(batches, batch_size=None)

    def configure_optimizers(self) -> Any:
        config, model = self._config, self.model
        groups = [
            {"params": [*model.encoder.parameters(), model.vectors], "weight_decay": config.weight_decay},
            {"params": [model.bias], "weight_decay": 0.0},
        ]
        if fields := [*model.item_parameters()]:
            slower = config.learning_rate * config.item_fields_rate
            groups.append({"params": fields, "weight_decay": config.weight_decay, "lr": slower})
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: max(1.0 - self._progress(step), _LAST_RATE)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_fit_start(self) -> None:
        self.started_s = time.monotonic()

    def on_train_start(self) -> None:
        # Lightning would go on to the end of the batch and leave with exit code 0, as if all were done.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> int | None:
        if self._config.seconds is None or self._progress(self.global_step) < 1.0:
            return None
        self.trainer.should_stop = True
        return -1  # lightning: leave out the rest of the epoch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.model.loss(**batch, smoothing=self._config.label_smoothing)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingDiverged(
                f"the loss is {value} at step {self.global_step}; lower the learning rate, "
                f"now {self._config.learning_rate:g}"
            )
        self._losses.append(value)
        self.log("loss", value, prog_bar=True, batch_size=len(batch["item_ids"]))
        return loss

    def on_train_epoch_end(self) -> None:
        if not self._losses:
            return
        self.epochs_done += 1
        self.epoch_loss = float(np.mean(self._losses))
        self._losses.clear()
        elapsed_s = time.monotonic() - self.started_s
        self._say(
            f"epoch {self.epochs_done} of {self._config.epochs}: "
            f"loss {self.epoch_loss:.3f}, {elapsed_s:.0f} s"
        )

    def _progress(self, step: int) -> float:
        done = step / self._expected_steps
        if self._config.seconds is None:
            return done
        return max(done, (time.monotonic() - self.started_s) / self._config.seconds)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without lightning's hints on hardware, workers and products: they are not ours to follow."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

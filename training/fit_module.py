"""What lightning runs: a step, its optimiser and schedule, and what comes after an epoch."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.sequence_model import SequenceModel
from training.among_ranks import mean_over_ranks, of_every_rank
from training.batches import Batch, EpochBatches, weight_of
from training.dataset import HistoryRules, Sequences
from training.errors import TrainingDiverged
from training.fit_config import FitConfig
from training.fit_progress import FitProgress
from training.generators import generator_states, restore_generators
from training.objectives import objective_of
from training.validation import Questions, gains_and_hits, ranks

_LAST_RATE = 0.02
"""The learning rate falls in a line to this part of its start."""
_LOG_EVERY_STEPS = 10
_CHECKPOINT_KEY = "millstream"


class FitModule(lightning.LightningModule):
    """A model with its data. `progress` and, with a validation, `best` tell how it went.

    On several devices every rank has one: each learns from its share of a batch, the loss is the mean over
    the whole of it, and every rank comes to the same figures and decisions.
    """

    def __init__(
        self,
        model: SequenceModel,
        sequences: Sequences,
        *,
        rules: HistoryRules,
        config: FitConfig,
        held_out: NDArray[np.bool_] | None,
        questions: Questions | None,
        facts: dict[str, str],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective_of(
            config, sequences, items=len(model.vectors), rules=rules, held_out=held_out
        )
        self.progress = FitProgress()
        self.best: dict[str, Tensor] | None = None
        self._sequences, self._rules, self._config, self._say = sequences, rules, config, say
        self._held_out, self._questions, self._facts = held_out, questions, facts
        self._on_sigterm = signal.getsignal(signal.SIGTERM)
        self._step_figures: dict[str, Any] = {}
        self._started_s = time.monotonic()
        self._elapsed_s = 0.0
        self._generators: dict[str, Any] | None = None

    def train_dataloader(self) -> EpochBatches:
        batches = EpochBatches(
            self._sequences,
            rules=self._rules,
            config=self._config,
            epoch=self.current_epoch,
            held_out=self._held_out,
            with_context=self.model.encoder.config.context is not None,
            query_time=self.model.encoder.config.query_time,
            first=self.progress.batches_done,
            rank=self.global_rank,
            ranks=self.trainer.world_size,
        )
        if not self.progress.expected_steps:
            self.progress.expected_steps = max(len(batches) * self._config.epochs, 1)
        return batches

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
            optimizer, lambda step: max(1.0 - self._done_part(step), _LAST_RATE)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        # Lightning's own refuses a fused optimiser in mixed precision, for the sake of loss scaling, which
        # bfloat16 does without; and it does not tell the norm.
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self._config.gradient_norm_limit)
        self._step_figures = {"learning_rate": optimizer.param_groups[0]["lr"], "gradient_norm": norm}

    def on_train_start(self) -> None:
        # Lightning would go on to the end of the batch and leave with exit code 0, as if all were done.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)
        if self.trainer.world_size > 1:
            torch.manual_seed(self._config.seed + self.global_rank)  # each drops out something else
        if self._generators is not None:
            restore_generators(self._generators)
            self._generators = None
        self._started_s = time.monotonic() - self.progress.elapsed_s

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> int | None:
        self._elapsed_s = time.monotonic() - self._started_s
        if self._config.seconds is None:
            return None
        self._elapsed_s = self.trainer.strategy.broadcast(self._elapsed_s)  # one clock for all ranks
        if self._done_part(self.global_step) < 1.0:
            return None
        self.trainer.should_stop = True
        return -1  # lightning: leave out the rest of the epoch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.progress.batches_done = batch_idx + 1
        loss = self.model.loss(**batch, objective=self.objective)
        value = float(loss.detach())
        if self.trainer.world_size > 1:
            loss, value = mean_over_ranks(loss, weight_of(batch), ranks=self.trainer.world_size)
        if not np.isfinite(value):
            raise TrainingDiverged(
                f"the loss is {value} at step {self.global_step}; lower the learning rate, "
                f"now {self._config.learning_rate:g}"
            )
        self.progress.step_losses.append(value)
        self.log("loss", value, prog_bar=True, logger=False, batch_size=len(batch["item_ids"]))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        step = self.global_step - 1
        if self.trainer.loggers and step % _LOG_EVERY_STEPS == 0:
            figures = {name: float(value) for name, value in self._step_figures.items()}
            self._write_log({"loss": self.progress.step_losses[-1], **figures}, step=step)

    def on_train_epoch_end(self) -> None:
        if self.progress.step_losses:
            self._end_epoch()
        ended = self.progress.epochs_done >= self._config.epochs
        self.progress.finished = self.trainer.should_stop or ended

    def _end_epoch(self) -> None:
        progress, config = self.progress, self._config
        loss = progress.end_epoch()
        figures, told = {"epoch_loss": loss}, f"loss {loss:.3f}"
        if self._questions is not None:
            ndcg, hit_rate = self._validate(self._questions)
            figures |= {"ndcg@10": ndcg, "hr@10": hit_rate}
            told += f", held out NDCG@10 {ndcg:.4f}, HR@10 {hit_rate:.4f}"
        self._write_log(figures, step=self.global_step)
        progress.steps, progress.elapsed_s = self.global_step, time.monotonic() - self._started_s
        self._say(f"epoch {progress.epochs_done} of {config.epochs}: {told}, {progress.elapsed_s:.0f} s")
        if progress.is_stale(config.patience):
            self.trainer.should_stop = True
            self._say(f"no better NDCG@10 since epoch {progress.best_epoch}, whose weights are kept")

    def _validate(self, questions: Questions) -> tuple[float, float]:
        """NDCG@10 and HR@10 of all ranks' answers together; the best weights so far are kept."""
        found = ranks(self.model, questions, rank=self.global_rank, ranks=self.trainer.world_size)
        sums = of_every_rank(gains_and_hits(found), ranks=self.trainer.world_size)
        ndcg, hit_rate = (np.sum(sums, axis=0) / len(questions.target)).tolist()
        self.progress.ndcg.append(ndcg)
        self.progress.hit_rate.append(hit_rate)
        if self.progress.best_epoch == self.progress.epochs_done:
            self.best = {name: kept.cpu().clone() for name, kept in self.model.state_dict().items()}
        return ndcg, hit_rate

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.progress.steps = self.global_step
        self.progress.elapsed_s = time.monotonic() - self._started_s
        checkpoint[_CHECKPOINT_KEY] = {
            "facts": self._facts,
            "progress": self.progress.state(),
            "best": self.best,
            "generators": of_every_rank(generator_states(), ranks=self.trainer.world_size),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        stored = checkpoint[_CHECKPOINT_KEY]
        self.progress.restore(stored["progress"])
        self.best, self._generators = stored["best"], stored["generators"][self.global_rank]

    def _write_log(self, figures: dict[str, float], *, step: int) -> None:
        for logger in self.trainer.loggers:
            logger.log_metrics(figures | {"epoch": float(self.current_epoch)}, step=step)

    def _done_part(self, step: int) -> float:
        done = step / max(self.progress.expected_steps, 1)
        if self._config.seconds is None:
            return done
        return max(done, self._elapsed_s / self._config.seconds)

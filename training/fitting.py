"""A fit from its start, or from a checkpoint, to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import RichProgressBar
from numpy.typing import NDArray

from models.sequence_model import SequenceModel
from training.dataset import HistoryRules, Sequences
from training.errors import TrainingDiverged
from training.fit_config import FitConfig, FitFolders, FitReport
from training.fit_module import FitModule
from training.fit_progress import FitProgress
from training.fit_trainer import fit_interruptibly, loggers, machine, quiet
from training.ranks import Rank, other_ranks
from training.resuming import CheckpointWriter, facts_of, newest_checkpoint, stored_in
from training.validation import Questions, draw_questions

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """All that a rank must know; `resumed` is the checkpoint to go on from."""

    model: SequenceModel
    sequences: Sequences
    rules: HistoryRules
    config: FitConfig
    folders: FitFolders
    held_out: NDArray[np.bool_] | None
    questions: Questions | None
    facts: dict[str, str]
    resumed: Path | None


def fit(
    model: SequenceModel,
    sequences: Sequences,
    *,
    rules: HistoryRules,
    config: FitConfig,
    held_out: NDArray[np.bool_] | None = None,
    folders: FitFolders | None = None,
    show_progress: bool = False,
    say: Say = lambda line: None,
) -> FitReport:
    """Fit `model` in place and leave it in eval mode on the CPU.

    Events of `held_out` [n] are no targets, but asked for after each epoch, and the best epoch's weights come
    out. `show_progress` draws a bar on stderr; `say` gets a line per epoch. Raises TrainingDiverged at the
    first loss that is not a number, UnusableCheckpoint where the folder holds those of another fit.
    """
    folders = folders or FitFolders()
    facts, resumed = dict[str, str](), None
    if folders.checkpoints is not None:
        folders.checkpoints.mkdir(parents=True, exist_ok=True)
        facts = facts_of(model, sequences, rules=rules, config=config)
        resumed = newest_checkpoint(folders.checkpoints, facts)
    questions = None
    if held_out is not None:
        query_time = model.encoder.config.query_time
        questions = draw_questions(sequences, held_out, rules=rules, config=config, query_time=query_time)
    task = Task(
        model=model,
        sequences=sequences,
        rules=rules,
        config=config,
        folders=folders,
        held_out=held_out,
        questions=questions,
        facts=facts,
        resumed=resumed,
    )
    if resumed is not None:
        stored = stored_in(resumed)
        finished = stored["progress"]["finished"]
        say(f"{resumed} is the end of this fit" if finished else f"going on from {resumed}")
        if finished:
            progress = FitProgress(**stored["progress"])
            weights = stored["best"] or _weights_in(resumed)
            return _finish(model, weights, progress)
    if config.devices == 1:
        return run_fit(task, show_progress=show_progress, say=say)
    with other_ranks(config.devices, task) as rank:
        return run_fit(task, rank=rank, show_progress=show_progress, say=say)


def run_fit(
    task: Task, *, rank: Rank | None = None, show_progress: bool = False, say: Say = lambda line: None
) -> FitReport:
    """One process's part in a fit: the whole of it, or that of its `rank`."""
    config, folders = task.config, task.folders
    module = FitModule(
        task.model,
        task.sequences,
        rules=task.rules,
        config=config,
        held_out=task.held_out,
        questions=task.questions,
        facts=task.facts,
        say=say,
    )
    callbacks: list[lightning.Callback] = []
    if show_progress:
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    writer = None
    if folders.checkpoints is not None:
        writer = CheckpointWriter(
            folders.checkpoints, minutes=folders.checkpoint_minutes, resumed=task.resumed
        )
        callbacks.append(writer)
    with quiet():
        trainer = lightning.Trainer(
            **machine(config, rank),
            max_epochs=config.epochs,
            logger=loggers(folders.logs) if rank is None or not rank.rank else False,
            enable_checkpointing=writer is not None,
            enable_model_summary=False,
            enable_progress_bar=show_progress,
            callbacks=callbacks,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            deterministic=torch.cuda.is_available(),
        )
        try:
            fit_interruptibly(trainer, module, task.resumed)
            _require_numbers(task.model, config)
            if writer is not None:
                writer.settle(trainer)
        except TrainingDiverged as error:
            raise _with_way_back(error, writer) from error
    return _finish(task.model, module.best, module.progress)


def _require_numbers(model: SequenceModel, config: FitConfig) -> None:
    # The last step's weights are in no loss yet.
    if not all(bool(weights.isfinite().all()) for weights in model.parameters()):
        raise TrainingDiverged(
            f"the weights are no numbers after the last step; lower the learning rate, "
            f"now {config.learning_rate:g}"
        )


def _with_way_back(error: TrainingDiverged, writer: CheckpointWriter | None) -> TrainingDiverged:
    if writer is None:
        return error
    good = writer.last_good()
    return TrainingDiverged(f"{error}; {good} is good" if good else f"{error}; there is no good checkpoint")


def _finish(model: SequenceModel, best: dict[str, Any] | None, progress: FitProgress) -> FitReport:
    if best is not None:
        model.load_state_dict(best)
    model.cpu().eval()
    return FitReport(
        epochs=progress.epochs_done,
        steps=progress.steps,
        loss=progress.losses[-1] if progress.losses else float("nan"),
        seconds=progress.elapsed_s,
        losses=tuple(progress.losses),
        ndcg=tuple(progress.ndcg),
        hit_rate=tuple(progress.hit_rate),
        best_epoch=progress.best_epoch,
    )


def _weights_in(path: Path) -> dict[str, Any]:
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}

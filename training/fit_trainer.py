"""Lightning's trainer as we want it: which devices, which precision, how quiet, how it is stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from training.fit_config import FitConfig, Precision
from training.ranks import Rank


def machine(config: FitConfig, rank: Rank | None) -> dict[str, Any]:
    """Lightning's words for the devices and the precision."""
    cuda = torch.cuda.is_available()
    precision = _precision(config.precision, cuda=cuda)
    if rank is None:
        return {"accelerator": "auto", "devices": 1, "precision": precision}
    strategy = DDPStrategy(cluster_environment=rank, broadcast_buffers=False, gradient_as_bucket_view=True)
    return {
        "accelerator": "gpu" if cuda else "cpu",
        "devices": rank.ranks,
        "strategy": strategy,
        "precision": precision,
    }


def _precision(wanted: Precision, *, cuda: bool) -> str:
    return "bf16-mixed" if wanted == "bf16" or (wanted == "auto" and cuda) else "32-true"


def loggers(folder: Path | None) -> list[Logger] | bool:
    """Those that write to the folder, each to a new one of its own in it."""
    if folder is None:
        return False
    return [CSVLogger(folder, name="csv"), TensorBoardLogger(folder, name="tensorboard")]


def fit_interruptibly(
    trainer: lightning.Trainer, module: lightning.LightningModule, resumed: Path | None
) -> None:
    """Fit, from the checkpoint where there is one. Ctrl-C is a KeyboardInterrupt, as everywhere."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=resumed, weights_only=True)
    except SystemExit as left:
        # Lightning's answer to Ctrl-C, after which it leaves SIGINT ignored.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from left


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without lightning's hints on hardware, workers and products: they are not ours to follow."""
    noisy = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)

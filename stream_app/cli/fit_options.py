"""Options of `millstream train` that say how it learns and what it leaves on disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Validation(StrEnum):
    """`training.fit_config.Validation`."""

    none = "none"
    last = "last"
    newest = "newest"


class Precision(StrEnum):
    """`training.fit_config.Precision`."""

    auto = "auto"
    float32 = "32"
    bf16 = "bf16"


BatchSize = Annotated[int | None, typer.Option(min=1, help="Windows a step, on all devices together.")]
LearningRate = Annotated[float | None, typer.Option(min=0, help="At the first step; it falls in a line.")]
ValidationOption = Annotated[
    Validation | None,
    typer.Option(
        "--validation",
        help="Held out of learning, and asked after each epoch; the best epoch is kept. last: each user's "
        "last event. newest: the newest tenth of the log.",
    ),
]
Patience = Annotated[
    int | None, typer.Option(min=1, help="End after so many epochs without a better NDCG@10.")
]
PrecisionOption = Annotated[
    Precision | None, typer.Option("--precision", help="auto: bf16 on a GPU, else 32.")
]
Devices = Annotated[int, typer.Option(min=1, help="GPUs, or processes on the CPU, that share the work.")]
Checkpoints = Annotated[
    Path | None,
    typer.Option(help="Keep the newest checkpoint here; the same command goes on from it.", metavar="DIR"),
]
CheckpointMinutes = Annotated[
    float, typer.Option(min=0, help="Between two checkpoints within an epoch; 0: each step.")
]
Logs = Annotated[
    Path | None,
    typer.Option(help="Write figures of steps and epochs here, as CSV and for TensorBoard.", metavar="DIR"),
]

"""`python -m tests.unit.training.fit_process OUT [CHECKPOINTS [EPOCH BATCH]]`: a fit in a process of its own.

Writes the model to OUT. Given a batch, it says so and waits there, in the middle of the epoch, to be killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import torch

from models.encoder import EncoderConfig
from stream_app.domain.messages import Item
from tests.unit.training.logs import successors
from training.batches import Batch, EpochBatches
from training.checkpoint import save
from training.dataset import HistoryRules
from training.fit_config import FitConfig, FitFolders
from training.train import train

HERE = "here"
ITEMS = [f"i{number}" for number in range(40)]


def stop_at(epoch: int, number: int) -> None:
    """Make this process wait for ever before it cuts that batch."""
    begin, cut = EpochBatches.__init__, EpochBatches.batch
    epochs: dict[int, int] = {}

    def begun(self: EpochBatches, *arguments: object, **options: object) -> None:
        epochs[id(self)] = int(str(options["epoch"]))
        begin(self, *arguments, **options)  # type: ignore[arg-type]

    def reached(self: EpochBatches, place: int) -> Batch:
        if (epochs[id(self)], place) == (epoch, number):
            print(HERE, flush=True)
            threading.Event().wait()
        return cut(self, place)

    EpochBatches.__init__, EpochBatches.batch = begun, reached  # type: ignore[assignment, method-assign]


def main(out: str, checkpoints: str | None = None, *place: str) -> None:
    torch.set_num_threads(1)
    if place:
        stop_at(*map(int, place))
    trained = train(
        successors(users=48, events=25, items=40),
        encoder=EncoderConfig(max_length=10, width=16, dropout=0.2),
        rules=HistoryRules(max_length=10),
        config=FitConfig(epochs=3, batch_size=8, recency_half_life_days=0.01, validation="newest"),
        folders=FitFolders(
            checkpoints=None if checkpoints is None else Path(checkpoints), checkpoint_minutes=0.0
        ),
        items={name: Item(item_id=name, title=name, features={"n": n}) for n, name in enumerate(ITEMS)},
        say=lambda line: print(line, flush=True),
    )
    save(trained, Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])

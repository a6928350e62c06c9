"""Several processes that fit one model: this one is rank 0, the others are started for it.

Lightning's own launchers run the whole command once more for every rank, or need a main module that may be
imported again. Here `python -m training.rank` is started with what the fit was given, and nothing else: that
works from a console script, a test and a notebook alike, and rank 0 stays the process that a person sees.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

from training.errors import TrainingError
from training.sources.array_file import mapped

READY = "ready"
_LEAVE_S = 60.0


class Rank(ClusterEnvironment):
    """What lightning asks of its surroundings: who this process is among the others."""

    def __init__(self, *, rank: int, ranks: int, port: int) -> None:
        super().__init__()
        self.rank, self.ranks, self.port = rank, ranks, port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        return self.port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.ranks

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return self.rank

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return self.rank

    def node_rank(self) -> int:
        return 0


@contextlib.contextmanager
def other_ranks(ranks: int, task: Any) -> Iterator[Rank]:
    """Start ranks 1 and above on `task`, and give the surroundings of rank 0; they end with the block.

    Raises TrainingError where there are fewer GPUs than ranks, or where a rank failed.
    """
    _require_devices(ranks)
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="millstream-ranks-") as folder:
        path = Path(folder) / "task"
        with path.open("wb") as file:
            _Pickler(file).dump(task)
        others = [_Other(path, rank=rank, ranks=ranks, port=port) for rank in range(1, ranks)]
        threads = torch.get_num_threads()
        try:
            for other in others:
                other.await_ready()
            yield Rank(rank=0, ranks=ranks, port=port)
            for other in others:
                other.await_end()
        except RuntimeError as error:
            failure = next(filter(None, [other.failure() for other in others]), None)
            if failure is None:
                raise
            # What broke is the connection to a rank that is gone.
            raise TrainingError(failure) from error
        finally:
            for other in others:
                other.kill()
            torch.set_num_threads(threads)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def load_task(path: Path) -> Any:
    """What `other_ranks` was given."""
    with path.open("rb") as file:
        return pickle.load(file)


class _Other:
    """One rank's process. Its stdin is a pipe that nobody writes to: it closes when this process is gone."""

    def __init__(self, path: Path, *, rank: int, ranks: int, port: int) -> None:
        self._name = f"process {rank + 1} of {ranks}"
        self._errors = path.with_name(f"rank-{rank}.txt")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "training.rank", str(path), str(rank), str(ranks), str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is rank 0's to answer
                text=True,
            )

    def await_ready(self) -> None:
        """Raise TrainingError where it ends instead."""
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            self._process.wait()
            raise TrainingError(self.failure() or f"{self._name} ended before it began")

    def await_end(self) -> None:
        """Raise TrainingError where it failed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_S)
        if failure := self.failure():
            raise TrainingError(failure)

    def failure(self) -> str | None:
        """How it ended, in one line; None while it runs, and where all went well."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        if not self._process.returncode:
            return None
        said = self._errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        return f"{self._name} ended with exit code {self._process.returncode}: {said[-1]}"

    def kill(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class _Pickler(pickle.Pickler):
    """Mapped arrays are handed over by the name of their file."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.memmap) and value.filename is not None:
            whole = mapped(Path(value.filename))
            if (whole.shape, whole.dtype) == (value.shape, value.dtype):
                return mapped, (Path(value.filename),)
        return NotImplemented


def _require_devices(ranks: int) -> None:
    found = torch.cuda.device_count()
    if torch.cuda.is_available() and found < ranks:
        raise TrainingError(f"{ranks} devices were asked for and this machine has {found}; ask for fewer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

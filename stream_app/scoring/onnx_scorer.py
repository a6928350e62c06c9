"""The encoder on onnxruntime."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.bundle.signature import Signature
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.device import Device
from stream_app.scoring.onnx_session import open_session, signature_of
from stream_app.scoring.onnx_tables import BoundTables, OnnxTables

_OUTPUTS = ("topk_ids", "topk_scores", "attention")


class OnnxScorer:
    """A session with its catalogue.

    On the CPU the graph reads the catalogue's own memory. On a GPU the tables are copied there, and sent
    again after they changed.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        *,
        catalogue: Catalogue,
        version: str,
        max_length: int,
        k_limit: int,
        context_columns: int = 0,
    ) -> None:
        self.version = version
        self.context_columns = context_columns
        self.max_length = max_length
        self.k_limit = k_limit
        self.device = "cuda" if session.get_providers()[0] == "CUDAExecutionProvider" else "cpu"
        self._session = session
        self._catalogue = catalogue
        self._tables = OnnxTables(catalogue, device=self.device)
        self._of_thread = threading.local()

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs, as it declares them."""
        return signature_of(self._session)

    def score(self, inputs: ModelInputs) -> Ranked:
        """See `Scorer.score`. Arrays are fresh, and the caller's to keep."""
        self._check(inputs)
        return self.run(inputs)

    def run(self, inputs: ModelInputs) -> Ranked:
        """Score without checking the rows: onnxruntime and nothing else, for measurements."""
        binding = self._binding()
        binding.bind_cpu_input("item_ids", inputs.item_ids)
        binding.bind_cpu_input("event_types", inputs.event_types)
        binding.bind_cpu_input("time_deltas", inputs.time_deltas)
        binding.bind_cpu_input("exclude_ids", inputs.exclude_ids)
        if inputs.context is not None:
            binding.bind_cpu_input("context", inputs.context)
        for name in _OUTPUTS:  # bound anew, or the last answer's memory would be written again
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return Ranked(*binding.copy_outputs_to_cpu())

    def _binding(self) -> Any:
        """The calling thread's binding: two threads may run one session, each with its own inputs."""
        tables = self._tables.current()
        bound: tuple[BoundTables, Any] | None = getattr(self._of_thread, "bound", None)
        if bound is None or bound[0] is not tables:
            binding = self._session.io_binding()
            binding.bind_ortvalue_input("item_vectors", tables.vectors)
            binding.bind_ortvalue_input("item_bias", tables.bias)
            # The tables too: a binding does not keep the memory that it reads.
            bound = self._of_thread.bound = (tables, binding)
        return bound[1]

    def _check(self, inputs: ModelInputs) -> None:
        shape = (len(inputs.item_ids), self.max_length)
        for name, array in (
            ("item_ids", inputs.item_ids),
            ("event_types", inputs.event_types),
            ("time_deltas", inputs.time_deltas),
        ):
            if array.shape != shape:
                raise ValueError(f"{name}: expected {list(shape)}, found {list(array.shape)}")
        columns = 0 if inputs.context is None else inputs.context.shape[1]
        if columns != self.context_columns or (
            inputs.context is not None and len(inputs.context) != shape[0]
        ):
            raise ValueError(
                f"context: expected [{shape[0]}, {self.context_columns}], "
                f"found {None if inputs.context is None else list(inputs.context.shape)}"
            )
        # onnxruntime reads a negative row from the table's end, without a word.
        _check_rows("item_ids", inputs.item_ids, self._catalogue.rows)
        _check_rows("exclude_ids", inputs.exclude_ids, self._catalogue.rows)


def open_scorer(
    path: Path,
    *,
    catalogue: Catalogue,
    version: str,
    max_length: int,
    k_limit: int,
    context_columns: int = 0,
    device: Device = "auto",
) -> OnnxScorer:
    """Open an `encoder.onnx`.

    Raises DeviceUnavailable where `cuda` was asked for and is not there, CorruptBundle where the graph cannot
    be opened.
    """
    return OnnxScorer(
        open_session(path, device),
        catalogue=catalogue,
        version=version,
        max_length=max_length,
        k_limit=k_limit,
        context_columns=context_columns,
    )


def _check_rows(name: str, rows: NDArray[np.int32], capacity: int) -> None:
    # Negative rows are the largest when read as unsigned: one pass finds both faults.
    if rows.size and not rows.view(np.uint32).max() < capacity:
        raise ValueError(f"{name}: rows are 0 to {capacity - 1}, found {rows.min()} to {rows.max()}")

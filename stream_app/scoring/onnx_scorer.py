"""The encoder on onnxruntime; the one file that imports it."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.bundle.errors import CorruptBundle
from models.bundle.signature import Signature, Tensor
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.device import Device, DeviceUnavailable, cuda_device_count

log = logging.getLogger(__name__)

_OUTPUTS = ("topk_ids", "topk_scores", "attention")
_DTYPES = {"tensor(int32)": "int32", "tensor(float)": "float32", "tensor(float16)": "float16"}
_FATAL_ONLY, _WARNINGS = 4, 2
_REMEDY = "install a driver and the `cuda` extra (CUDA 13, cuDNN 9), or ask for MILLSTREAM_DEVICE=auto or cpu"


class OnnxScorer:
    """A session with its catalogue.

    On the CPU the graph reads the catalogue's own memory. On a GPU the tables are copied there; the bias is
    sent again after it changed.
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
        self._vectors = ort.OrtValue.ortvalue_from_numpy(catalogue.vectors, self.device, 0)
        self._bias = ort.OrtValue.ortvalue_from_numpy(catalogue.bias, self.device, 0)
        self._bias_revision = catalogue.revision
        self._of_thread = threading.local()

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs, as it declares them."""
        return Signature(
            inputs=tuple(map(_tensor, self._session.get_inputs())),
            outputs=tuple(map(_tensor, self._session.get_outputs())),
        )

    def score(self, inputs: ModelInputs) -> Ranked:
        """See `Scorer.score`. Arrays are fresh, and the caller's to keep."""
        self._check(inputs)
        return self.run(inputs)

    def run(self, inputs: ModelInputs) -> Ranked:
        """Score without checking the rows: onnxruntime and nothing else, for measurements."""
        if self.device != "cpu" and self._bias_revision != self._catalogue.revision:
            # Read the number first: a change made while copying is then copied once more.
            revision = self._catalogue.revision
            self._bias.update_inplace(self._catalogue.bias)
            self._bias_revision = revision
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
        binding = getattr(self._of_thread, "binding", None)
        if binding is None:
            binding = self._session.io_binding()
            binding.bind_ortvalue_input("item_vectors", self._vectors)
            binding.bind_ortvalue_input("item_bias", self._bias)
            self._of_thread.binding = binding
        return binding

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
        _open_session(path, device),
        catalogue=catalogue,
        version=version,
        max_length=max_length,
        k_limit=k_limit,
        context_columns=context_columns,
    )


def require_device(device: Device) -> None:
    """Raise DeviceUnavailable at the start of a worker, rather than at its first model."""
    if device == "cuda" and (reason := _why_no_cuda()):
        raise DeviceUnavailable(f"device cuda was asked for, but {reason}; {_REMEDY}")


def _open_session(path: Path, device: Device) -> ort.InferenceSession:
    require_device(device)
    if device == "cpu" or (device == "auto" and (reason := _why_no_cuda())):
        if device == "auto":
            _say_once(f"models run on the CPU: {reason}")
        return _session(path, ["CPUExecutionProvider"])
    with _quiet() as said:
        ort.preload_dlls()
        # Without TF32 a GPU gives the scores that the exporter saw.
        session = _session(path, [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"])
    if session.get_providers()[0] != "CUDAExecutionProvider":
        reason = (
            f"onnxruntime cannot use the device ({said.getvalue().strip() or 'CUDA 13 or cuDNN 9 missing'})"
        )
        if device == "cuda":
            raise DeviceUnavailable(f"device cuda was asked for, but {reason}; {_REMEDY}")
        _say_once(f"models run on the CPU: {reason}", level=logging.WARNING)
        return _session(path, ["CPUExecutionProvider"])
    # A failing device must end the worker, not slow it down by falling back to the CPU.
    session.disable_fallback()
    return session


def _session(path: Path, providers: list[Any]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # Measured best on CPU: threads within one small matrix product cost more than they give, and spinning
    # ones take the core from the event loop.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY if len(providers) > 1 else _WARNINGS
    try:
        return ort.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's own errors have no common base class
        reason = str(error).splitlines()[0]
        raise CorruptBundle(
            f"{path}: onnxruntime cannot open it ({reason}); export the model again"
        ) from error


def _why_no_cuda() -> str | None:
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "this onnxruntime is built without CUDA"
    if cuda_device_count() == 0:
        return "the driver shows no CUDA device"
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keep onnxruntime's own words off the terminal: what matters is raised or logged by us."""
    ort.set_default_logger_severity(_FATAL_ONLY)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            yield said
    finally:
        ort.set_default_logger_severity(_WARNINGS)


_said: set[str] = set()


def _say_once(text: str, *, level: int = logging.INFO) -> None:
    if text not in _said:
        _said.add(text)
        log.log(level, text)


def _tensor(node: Any) -> Tensor:
    return Tensor(name=node.name, dtype=_DTYPES.get(node.type, node.type), shape=tuple(node.shape))


def _check_rows(name: str, rows: NDArray[np.int32], capacity: int) -> None:
    # Negative rows are the largest when read as unsigned: one pass finds both faults.
    if rows.size and not rows.view(np.uint32).max() < capacity:
        raise ValueError(f"{name}: rows are 0 to {capacity - 1}, found {rows.min()} to {rows.max()}")

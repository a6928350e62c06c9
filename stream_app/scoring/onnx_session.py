"""Sessions of onnxruntime: where they run, with which settings, and what their graphs declare."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort

from models.bundle.errors import CorruptBundle
from models.bundle.signature import Signature, Tensor
from stream_app.scoring.device import Device, DeviceUnavailable, cuda_device_count

log = logging.getLogger(__name__)

_DTYPES = {
    "tensor(int32)": "int32",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
}
_FATAL_ONLY, _WARNINGS = 4, 2
_REMEDY = "install a driver and the `cuda` extra (CUDA 13, cuDNN 9), or ask for MILLSTREAM_DEVICE=auto or cpu"


def require_device(device: Device) -> None:
    """Raise DeviceUnavailable at the start of a worker, rather than at its first model."""
    if device == "cuda" and (reason := _why_no_cuda()):
        raise DeviceUnavailable(f"device cuda was asked for, but {reason}; {_REMEDY}")


def open_session(path: Path, device: Device) -> ort.InferenceSession:
    """Open a graph.

    Raises DeviceUnavailable where `cuda` was asked for and is not there, CorruptBundle where it cannot be
    opened.
    """
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


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keep onnxruntime's own words off the terminal: what matters is raised or logged by us."""
    with _one_at_a_time:  # what is redirected is the process's, and two loads may overlap
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


def signature_of(session: ort.InferenceSession) -> Signature:
    """The graph's inputs and outputs, as it declares them."""
    return Signature(
        inputs=tuple(map(_tensor, session.get_inputs())), outputs=tuple(map(_tensor, session.get_outputs()))
    )


def _tensor(node: Any) -> Tensor:
    return Tensor(name=node.name, dtype=_DTYPES.get(node.type, node.type), shape=tuple(node.shape))

"""A torch module → an ONNX graph in a file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.bundle.signature import Signature

OPSET = 20


def write_onnx(
    module: nn.Module,
    path: Path,
    *,
    signature: Signature,
    example: tuple[Tensor, ...],
    dynamic: Sequence[Mapping[int, Any]],
) -> None:
    """Write the graph with its weights in the one file.

    `example` are the inputs of `signature`, and `dynamic` for each of them its dynamic dimensions.
    """
    with _silence():
        torch.onnx.export(
            module.eval(),
            example,
            path,
            dynamo=True,
            opset_version=OPSET,
            input_names=[tensor.name for tensor in signature.inputs],
            output_names=[tensor.name for tensor in signature.outputs],
            dynamic_shapes=tuple(dict(dimensions) for dimensions in dynamic),
            external_data=False,
            verbose=False,
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without the exporter's progress and its notes to its own developers; errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    nowhere = io.StringIO()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(action="ignore"),
    ):
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

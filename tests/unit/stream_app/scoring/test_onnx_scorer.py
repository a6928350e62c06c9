from __future__ import annotations

import logging
from pathlib import Path

import pytest

from models.bundle.items import read_items
from models.bundle.verification import ENCODER_FILE
from stream_app.scoring import onnx_session
from stream_app.scoring.catalogue import Catalogue
from stream_app.scoring.device import Device, DeviceUnavailable, cuda_device_count
from stream_app.scoring.onnx_scorer import OnnxScorer, open_scorer
from stream_app.scoring.onnx_session import require_device
from tests.tiny_bundle import make_tiny_bundle

without_gpu = pytest.mark.skipif(cuda_device_count() > 0, reason="a CUDA device is here")


def open_tiny(folder: Path, device: Device) -> OnnxScorer:
    items = read_items(make_tiny_bundle(folder, [f"item-{i}" for i in range(300)]))
    return open_scorer(
        folder / ENCODER_FILE,
        catalogue=Catalogue(vectors=items.vectors, bias=items.bias),
        version="v1",
        max_length=20,
        k_limit=100,
        device=device,
    )


@without_gpu
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match=r"cuda was asked for, but .*; install .* MILLSTREAM_DEVICE"):
        open_tiny(tmp_path, "cuda")
    with pytest.raises(DeviceUnavailable):
        require_device("cuda")


@without_gpu
def test_auto_takes_the_cpu_and_says_so_once_and_nothing_else(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_session, "_said", set())
    with caplog.at_level(logging.INFO):
        assert open_tiny(tmp_path / "a", "auto").device == "cpu"
        assert open_tiny(tmp_path / "b", "auto").device == "cpu"
    assert [record.message.split(":")[0] for record in caplog.records] == ["models run on the CPU"]
    assert capfd.readouterr() == ("", "")


def test_cpu_is_taken_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert open_tiny(tmp_path, "cpu").device == "cpu"
    assert not caplog.records


@without_gpu
def test_a_device_that_onnxruntime_cannot_use_is_not_taken_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As on a machine with a driver, but without a usable CUDA: the session falls back to the CPU by itself.
    monkeypatch.setattr(onnx_session, "_why_no_cuda", lambda: None)
    monkeypatch.setattr(onnx_session, "_said", set())
    with pytest.raises(DeviceUnavailable, match="cannot use the device"):
        open_tiny(tmp_path / "a", "cuda")
    assert open_tiny(tmp_path / "b", "auto").device == "cpu"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_cpu_is_always_there() -> None:
    require_device("cpu")
    require_device("auto")


def test_onnxruntime_is_imported_by_its_own_files_only() -> None:
    source = Path(onnx_session.__file__).parents[1]
    importing = {path.name for path in source.rglob("*.py") if "import onnxruntime" in path.read_text()}
    assert importing == {"onnx_scorer.py", "onnx_session.py", "onnx_tables.py"}

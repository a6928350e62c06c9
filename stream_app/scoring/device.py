"""Which device a model runs on, as asked for and as found."""

from __future__ import annotations

import ctypes
import sys
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""`auto` takes a CUDA device where there is one; `cuda` insists on it."""


class DeviceUnavailable(Exception):
    """The device that was asked for is not there. Nothing falls back in silence: the start stops."""


def cuda_device_count() -> int:
    """CUDA devices that the driver shows, 0 without a driver.

    Asks the driver itself: onnxruntime would print its own errors first, and torch is not there.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value

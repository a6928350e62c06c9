"""Arrays on disk, written piece by piece, mapped into memory to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class ArrayFile:
    """A .npy file of `length` numbers, or rows of `width` numbers, the same bytes as `numpy.save` writes, of
    which no more than the piece at hand is in memory."""

    def __init__(self, path: Path, *, dtype: DTypeLike, length: int, width: int | None = None) -> None:
        self._file = path.open("wb")
        self._dtype, self._left = np.dtype(dtype), length
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (length,) if width is None else (length, width),
        }
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, piece: NDArray[Any]) -> None:
        """Write the next numbers."""
        self._file.write(np.ascontiguousarray(piece, dtype=self._dtype).data)
        self._left -= len(piece)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None and self._left:
            raise ValueError(f"{self._file.name}: {self._left} numbers were not written")


@contextmanager
def column_files(
    folder: Path, dtypes: Mapping[str, DTypeLike], *, length: int, widths: Mapping[str, int] | None = None
) -> Iterator[dict[str, ArrayFile]]:
    """The files NAME.npy of a folder, to be written: one for each of `dtypes`, all of one length."""
    widths = widths or {}
    with ExitStack() as open_files:
        yield {
            name: open_files.enter_context(
                ArrayFile(folder / f"{name}.npy", dtype=dtype, length=length, width=widths.get(name))
            )
            for name, dtype in dtypes.items()
        }


def mapped(path: Path) -> NDArray[Any]:
    """The array of a .npy file, read as it is used. Raises OSError, or ValueError for another file."""
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def mapped_columns(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """What `column_files` wrote, by name. Raises as `mapped`."""
    return {name: mapped(folder / f"{name}.npy") for name in names}

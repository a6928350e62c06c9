"""A file, a folder or a zip archive, whose files are found and read alike."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from training.errors import UnusableSource

_HEAD_BYTES = 1 << 20  # a review is a line


class Place:
    """Where a log lies: a file alone, or all the files of a folder or of a zip archive.

    Names are relative to the folder or the archive. What ends in .gz is unpacked as it is read.
    """

    def __init__(self, path: Path) -> None:
        """Raises UnusableSource where there is nothing, or an archive that cannot be read."""
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        if path.is_dir():
            names = [str(file.relative_to(path).as_posix()) for file in path.rglob("*") if file.is_file()]
        elif not path.exists():
            raise UnusableSource(f"{path}: there is no such file; check the path")
        elif path.suffix.lower() == ".zip":
            try:
                self._archive = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile) as error:
                raise UnusableSource(f"{path}: no readable zip archive ({error}); fetch it again") from error
            names = [name for name in self._archive.namelist() if not name.endswith("/")]
        else:
            names = [path.name]
        self.names = sorted(names)

    def find(self, name: str) -> str | None:
        """The first file of that name, in whatever folder and case; packed by gzip or not."""
        wanted = (name.lower(), f"{name.lower()}.gz")
        return next((one for one in self.names if PurePosixPath(one).name.lower() in wanted), None)

    def ending(self, suffix: str) -> str | None:
        """The first file whose name ends so, in whatever case; packed by gzip or not."""
        return next(iter(self.all_ending(suffix)), None)

    def all_ending(self, suffix: str) -> list[str]:
        """All of them."""
        return [one for one in self.names if one.lower().removesuffix(".gz").endswith(suffix)]

    def named(self, name: str) -> str:
        """What a file is called in messages."""
        return str(self.path if self.path.is_file() and self._archive is None else self.path / name)

    def first_line(self, name: str) -> str:
        """The file's first line without its end, at most a mebibyte of it; bytes that are no UTF-8
        are replaced."""
        return self._bytes(name, _HEAD_BYTES).split(b"\n", 1)[0].rstrip(b"\r").decode(errors="replace")

    def first_lines(self, name: str, most: int) -> list[str]:
        """As `first_line`, the first `most` that are whole."""
        head = self._bytes(name, _HEAD_BYTES)
        whole = head if len(head) < _HEAD_BYTES else head[: head.rfind(b"\n") + 1]
        return whole.decode(errors="replace").splitlines()[:most]

    def read(self, name: str) -> bytes:
        """All of a file. Raises UnusableSource where it cannot be read, or was cut off."""
        return self._bytes(name, -1)

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """A file piece by piece, each of `size` bytes but the last, which is shorter and may be empty.

        Raises UnusableSource as `read`.
        """
        with self._opened(name) as file:
            while len(block := file.read(size)) == size:
                yield block
            yield block

    def stored(self, names: Sequence[str]) -> list[Path]:
        """The files of the disk that hold these: the archive, or each one itself."""
        return [self.path] if self._archive is not None else [self._path(name) for name in names]

    def size_bytes(self, names: Sequence[str]) -> int | None:
        """How much there is to read in these files; None where one is packed by gzip, which does not say."""
        if any(name.lower().endswith(".gz") for name in names):
            return None
        if self._archive is not None:
            return sum(self._archive.getinfo(name).file_size for name in names)
        return sum(self._path(name).stat().st_size for name in names)

    def _bytes(self, name: str, size: int) -> bytes:
        with self._opened(name) as file:
            return file.read(size)

    def _path(self, name: str) -> Path:
        return self.path if self.path.is_file() else self.path / name

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._archive.open(name) if self._archive else self._path(name).open("rb") as stored:
                if name.lower().endswith(".gz"):
                    with gzip.open(stored) as file:
                        yield cast("IO[bytes]", file)
                else:
                    yield stored
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UnusableSource(f"{self.named(name)}: not readable ({error}); fetch it again") from error


def only_one(place: Place, names: Sequence[str]) -> str | None:
    """The one file that fits, None where none does. Raises UnusableSource where several do."""
    if len(names) > 1:
        raise UnusableSource(f"{place.path}: several logs in it ({', '.join(names)}); name one of the files")
    return names[0] if names else None

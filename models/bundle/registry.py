"""Where versions are kept: a folder for each, in any place that fsspec reaches (by default a local one)."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from models.bundle.errors import BundleError, CorruptBundle, UnknownVersion
from models.bundle.manifest import MANIFEST_FILE, Manifest, read_manifest
from models.bundle.verification import bundle_digest, verify

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def new_version(now_ms: int) -> str:
    """A name that sorts by time, like "20261122-031502-4f2a" (UTC)."""
    moment = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Registry:
    """The versions below `url`.

    A version is there as soon as its manifest is. On a local disk a version is written whole and its folder
    renamed into place; elsewhere, where no rename is atomic, the manifest is uploaded last. `cache` is where
    versions of a remote registry are copied to.
    """

    def __init__(self, url: str | Path, *, cache: Path | None = None) -> None:
        self._fs, self._root = _open(str(url))
        self._local = "file" in _protocols(self._fs)
        place = hashlib.sha256(f"{_protocols(self._fs)[0]}:{self._root}".encode()).hexdigest()[:12]
        self._cache = Path(cache or Path.home() / ".cache" / "millstream" / "bundles") / place

    @classmethod
    def of(cls, uri: str, *, cache: Path | None = None) -> tuple[Registry, str]:
        """The registry and the version that the `uri` of an announcement names."""
        root, _, version = uri.rstrip("/").rpartition("/")
        return cls(root, cache=cache), version

    def versions(self) -> list[str]:
        """Oldest first."""
        if not self._fs.isdir(self._root):
            return []
        names = (str(path).rstrip("/").rpartition("/")[2] for path in self._fs.ls(self._root, detail=False))
        return sorted(name for name in names if _VERSION.fullmatch(name) and self._has(name))

    def manifest(self, version: str) -> Manifest:
        """Raises UnknownVersion, or CorruptBundle where the manifest cannot be read."""
        self._require(version)
        if self._local:
            return read_manifest(Path(self._path(version)))
        with tempfile.TemporaryDirectory() as folder:
            self._fs.get_file(f"{self._path(version)}/{MANIFEST_FILE}", f"{folder}/{MANIFEST_FILE}")
            return read_manifest(Path(folder))

    def uri(self, version: str) -> str:
        """The address of a version, which `Registry.of` understands on any machine that reaches the place."""
        return str(self._fs.unstrip_protocol(self._path(version)))

    def fetch(self, version: str) -> Path:
        """A local folder with the version; of a remote one, a verified copy.

        Raises UnknownVersion, or CorruptBundle where what was copied is not what was published.
        """
        self._require(version)
        if self._local:
            return Path(self._path(version))
        target = self._cache / version
        if target.exists():
            if self._is_current(target, version):
                return target
            shutil.rmtree(target)
        self._cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=self._cache))
        try:
            for path in self._fs.ls(self._path(version), detail=False):
                self._fs.get_file(path, str(partial / str(path).rpartition("/")[2]))
            verify(partial)
            return partial.rename(target)
        except FileNotFoundError as error:
            raise CorruptBundle(f"{self.uri(version)}: a file went away while copying; try again") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def publish(self, staging: Path) -> str:
        """Copy a finished bundle in, verified, and return its uri. The version's name is the manifest's.

        Raises CorruptBundle where the bundle is not whole, BundleError where the version is already there.
        """
        staging = Path(staging)
        version = verify(staging).version
        target = self._path(version)
        if self._fs.exists(target):
            raise BundleError(
                f"{self.uri(version)}: there already; versions never change, export under a new one"
            )
        if self._local:
            self._publish_by_rename(staging, Path(target))
        else:
            self._publish_manifest_last(staging, target)
        return self.uri(version)

    def _publish_by_rename(self, staging: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, since a rename is atomic only within one file system.
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for path in staging.iterdir():
                if path.is_file():
                    shutil.copy2(path, partial / path.name)
            partial.chmod(0o755)
            verify(partial)
            try:
                partial.rename(target)
            except OSError as error:
                raise BundleError(
                    f"{target}: published by another meanwhile; export under a new version"
                ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _publish_manifest_last(self, staging: Path, target: str) -> None:
        files = [path for path in sorted(staging.iterdir()) if path.is_file() and path.name != MANIFEST_FILE]
        self._fs.makedirs(target, exist_ok=True)
        for path in (*files, staging / MANIFEST_FILE):
            self._fs.put_file(str(path), f"{target}/{path.name}")

    def _path(self, version: str) -> str:
        # Versions come in announcements: a name must not lead out of the registry.
        if not _VERSION.fullmatch(version):
            raise UnknownVersion(
                f"{version!r} is not a version; letters, digits, dots, dashes and underscores are"
            )
        return f"{self._root}/{version}"

    def _has(self, version: str) -> bool:
        return bool(self._fs.exists(f"{self._path(version)}/{MANIFEST_FILE}"))

    def _require(self, version: str) -> None:
        if not self._has(version):
            raise UnknownVersion(
                f"{self.uri(version)}: no such version; `millstream models list` shows those that are there"
            )

    def _is_current(self, folder: Path, version: str) -> bool:
        try:
            verify(folder)
            remote: bytes = self._fs.cat_file(f"{self._path(version)}/{MANIFEST_FILE}")
            return bundle_digest(folder) == hashlib.sha256(remote).hexdigest()
        except CorruptBundle:
            return False


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it, without a slash at the end."""
    if "://" not in url:
        url = f"file://{Path(url).expanduser().absolute()}"
    fs, path = fsspec.core.url_to_fs(url)
    return fs, str(path).rstrip("/")


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)

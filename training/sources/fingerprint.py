"""Whether files are the same as before, whatever folder they lie in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from xxhash import xxh3_128

from training.errors import UnusableSource
from training.sources.place import Place

_BLOCK_BYTES = 8 << 20


def fingerprint(
    place: Place, names: Sequence[str], *, also: Any, on_bytes: Callable[[int], None] = lambda done: None
) -> str:
    """32 hexadecimal digits: xxh3-128 of the files' names in the place, of the sizes and all bytes of what
    holds them on disk (files, or an archive as it is packed), and of `also` as JSON.

    `on_bytes` is told how many bytes were looked at. Raises UnusableSource where one cannot be read.
    """
    digest, done = xxh3_128(json.dumps([list(names), also]).encode()), 0
    for path in place.stored(names):
        try:
            with path.open("rb", buffering=0) as file:
                digest.update(f"{path.stat().st_size}:".encode())
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                    done += len(block)
                    on_bytes(done)
        except OSError as error:
            raise UnusableSource(f"{path}: not readable ({error}); fetch it again") from error
    return digest.hexdigest()

"""The Netflix Prize as a log in arrays on disk: made once, mapped whenever the same files are read again.

100 million ratings need about a gigabyte of memory to make, and next to none to read again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from models.bundle.signature import EVENT_TYPES
from training.errors import UnusableSource
from training.interactions import Interactions, RejectedRow
from training.sources.fingerprint import fingerprint
from training.sources.judged_rows import Rejections, judge, type_codes
from training.sources.made_once import make_once, user_cache
from training.sources.netflix import netflix_tables, rating_files
from training.sources.place import Place
from training.sources.progress import progress
from training.sources.raw_log import RawLog
from training.sources.runs import Runs
from training.sources.stored_interactions import open_interactions, write_interactions

_FORMAT = 1
"""Another number whenever the same files would give other arrays."""


def read_netflix_log(
    place: Place, *, like_from: float, dislike_below: float, strict: bool = False, stored: Path | None = None
) -> Interactions:
    """All ratings in order of time, those of one day in the order of `within_day`; columns are mapped.

    They are kept under `stored`, by default `logs` in the user's cache folder (MILLSTREAM_CACHE), 21
    bytes a rating, in a folder named by the content: files' names, sizes and bytes, and the rule for
    ratings. Raises UnusableSource where files are unreadable, without good rows (with `strict`: with a
    bad one), or where nothing can be kept.
    """
    names = rating_files(place)
    size = sum(path.stat().st_size for path in place.stored(names))
    with progress("looking for changes", total=size) as on_bytes:
        key = fingerprint(
            place,
            names,
            also=["netflix", _FORMAT, EVENT_TYPES, float(like_from), float(dislike_below)],
            on_bytes=on_bytes,
        )

    def make(folder: Path) -> None:
        _make(place, folder, like_from=like_from, dislike_below=dislike_below, strict=strict)

    root = stored or user_cache() / "logs"
    try:
        folder = make_once(root, key, make)
        log = _open(place, folder)
        if log is None:  # somebody took a file of it away
            shutil.rmtree(folder)
            log = open_interactions(make_once(root, key, make), named=place.named)
    except OSError as error:
        raise UnusableSource(
            f"{root}: the log cannot be kept there ({error}); make room, or set MILLSTREAM_CACHE to another "
            "folder"
        ) from error
    rejections = Rejections(count=log.rejected, first=log.rejected_rows)
    rejections.check(str(place.path), good=len(log), strict=strict)
    return log


def _open(place: Place, folder: Path) -> Interactions | None:
    try:
        return open_interactions(folder, named=place.named)
    except (OSError, ValueError):
        return None


def _make(place: Place, folder: Path, *, like_from: float, dislike_below: float, strict: bool) -> None:
    names = rating_files(place)
    spill = folder / "runs"
    spill.mkdir()
    runs, rejections = Runs(spill), Rejections()
    with progress("reading ratings", total=place.size_bytes(names)) as on_bytes:
        for table in netflix_tables(place, on_bytes=on_bytes):
            raw = RawLog(file=str(place.path), rows=table)
            good, bad = judge(raw, like_from=like_from, dislike_below=dislike_below)
            rejections = rejections.and_also(bad)
            kept = {"type_code": type_codes(good["type"]).to_numpy(), "rating": good["rating"].to_numpy()}
            runs.add(good["user_id"], good["item_id"], good["timestamp"].to_numpy(), kept)
    said = [
        RejectedRow(file=place.named(row.file), line=row.line, reason=row.reason) for row in rejections.first
    ]
    Rejections(count=rejections.count, first=tuple(said)).check(
        str(place.path), good=len(runs), strict=strict
    )
    with progress("putting them in order", total=len(runs)) as on_rows:
        write_interactions(runs, rejections, folder, on_rows=on_rows)
    shutil.rmtree(spill)

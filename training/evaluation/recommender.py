"""What can be evaluated: rivals that learn from the stream, and models that are asked in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.decoding import Interaction
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.domain.ranking import Ranked


class Scorer(Protocol):
    """A model, whatever runs it; the worker's scorers are of this kind."""

    def score(self, inputs: ModelInputs) -> Ranked: ...


class Rival(Protocol):
    """A recommender that moves with the stream."""

    @property
    def name(self) -> str: ...

    def learn(self, event: Interaction) -> None:
        """Take note of an event; events come in the order of the log."""
        ...

    def recommend(self, record: bytes, *, k: int) -> Sequence[int]:
        """Hashes of the best k items for a stored history, best first, without what the history holds."""
        ...


class FrozenModel:
    """A model that does not learn while it is evaluated: its answer depends on the history alone."""

    def __init__(self, *, name: str, scorer: Scorer, vocabulary: Vocabulary, max_length: int) -> None:
        self.name = name
        self._scorer, self._vocabulary, self._max_length = scorer, vocabulary, max_length

    def ranks(
        self,
        records: Sequence[bytes],
        now_ms: NDArray[np.int64],
        item_hashes: NDArray[np.uint64],
        *,
        k: int,
    ) -> NDArray[np.int64]:
        """Each item's rank in the list that its history gets, int64 [batch]; 0 = not among the k."""
        ranked = self._scorer.score(encode(records, now_ms, self._vocabulary, max_length=self._max_length))
        rows = self._vocabulary.rows(item_hashes)
        found = (ranked.topk_ids[:, :k] == rows[:, None]) & (rows[:, None] > 0)  # [batch, k]
        return np.where(found.any(1), found.argmax(1) + 1, 0).astype(np.int64)

"""A model that is asked as a worker asks it: stored histories, encoded by the worker's code, scored."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.domain.ranking import Ranked
from training.evaluation.histories import Histories
from training.evaluation.ragged import Ragged
from training.interactions import Interactions


class Scorer(Protocol):
    """A model, whatever runs it; the worker's scorers are of this kind."""

    def score(self, inputs: ModelInputs) -> Ranked: ...


class ServedModel:
    """A finished model, of a bundle or just trained: a fit does not change it.

    `published_ms` int64 [items + 1], by row: an item is not recommended before. `read` are the items that the
    encoder reads of a history, by default all of the vocabulary; they have the same rows in both.
    """

    def __init__(
        self,
        *,
        name: str,
        scorer: Scorer,
        vocabulary: Vocabulary,
        max_length: int,
        published_ms: NDArray[np.int64] | None = None,
        read: Vocabulary | None = None,
    ) -> None:
        self.name = name
        self._scorer, self._vocabulary, self._max_length = scorer, vocabulary, max_length
        self._published_ms, self._read = published_ms, read

    def fit(self, training: Interactions) -> None:
        """Nothing: it was fitted before."""

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """As of `Recommender`; a model gives no more than the K of its bundle, −1 follows."""
        inputs = self._encode(histories, self._vocabulary)
        if self._read is not None:
            read = self._encode(histories, self._read)
            # What is not read is seen all the same.
            inputs = ModelInputs(read.item_ids, read.event_types, read.time_deltas, inputs.exclude_ids)
        rows = self._scorer.score(self._without(inputs, histories)).topk_ids[:, :k]
        # Row 0, no candidate, has the hash of no item, which no catalogue knows.
        codes = histories.catalogue.rows(self._vocabulary.hashes[rows].reshape(-1)).reshape(rows.shape) - 1
        lists = np.full((len(histories), k), -1, dtype=np.int32)
        lists[:, : rows.shape[1]] = codes
        return lists

    def _encode(self, histories: Histories, vocabulary: Vocabulary) -> ModelInputs:
        return encode(histories.records, histories.now_ms, vocabulary, max_length=self._max_length)

    def _without(self, inputs: ModelInputs, histories: Histories) -> ModelInputs:
        """With what is seen or not out yet among `exclude_ids`."""
        parts = [inputs.exclude_ids]
        if histories.earlier is not None:
            parts.append(self._rows_of(histories.earlier, histories))
        if self._published_ms is not None and len(histories):
            late = np.flatnonzero(self._published_ms > histories.now_ms.min())
            if len(late):
                hidden = self._published_ms[late] > histories.now_ms[:, None]  # [batch, late]
                parts.append(np.where(hidden, late, 0).astype(np.int32))
        if len(parts) == 1:
            return inputs
        exclude_ids = np.concatenate(parts, axis=1)
        return ModelInputs(inputs.item_ids, inputs.event_types, inputs.time_deltas, exclude_ids)

    def _rows_of(self, earlier: Ragged, histories: Histories) -> NDArray[np.int32]:
        """Item codes of the log as rows of the model, int32 [batch, most], 0 after the last."""
        width = int(earlier.lengths.max(initial=0))
        more = np.zeros((len(histories), width), dtype=np.int32)
        column = np.arange(len(earlier.values)) - np.repeat(earlier.start[:-1], earlier.lengths)
        more[earlier.row, column] = self._vocabulary.rows(histories.catalogue.hashes[earlier.values + 1])
        return more

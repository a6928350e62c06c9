"""A model that is asked as a worker asks it: stored histories, encoded by the worker's code, scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.context import MOMENT_COLUMNS
from models.bundle.vocabulary import Vocabulary
from stream_app.domain.encoding import ModelInputs, encode
from stream_app.domain.history import header
from stream_app.domain.ranking import Ranked
from training.evaluation.histories import Histories
from training.evaluation.ragged import Ragged
from training.interactions import Interactions


class Scorer(Protocol):
    """A model, whatever runs it; the worker's scorers are of this kind."""

    def score(self, inputs: ModelInputs) -> Ranked: ...


class ServedModel:
    """A finished model, of a bundle or just trained: a fit does not change it.

    `published_ms` int64 [items + 1], by row: an item is not recommended before. Rows above `trained` came
    after training, see `encode`.
    """

    def __init__(
        self,
        *,
        name: str,
        scorer: Scorer,
        vocabulary: Vocabulary,
        max_length: int,
        context_fields: Sequence[str] | None = None,
        published_ms: NDArray[np.int64] | None = None,
        trained: int | None = None,
    ) -> None:
        self.name, self.scorer, self.vocabulary = name, scorer, vocabulary
        self._max_length = max_length
        self._context_fields = context_fields
        self._published_ms, self._trained = published_ms, trained

    def fit(self, training: Interactions) -> None:
        """Nothing: it was fitted before."""

    @property
    def served(self) -> ServedModel:
        """Itself, see `Attentive`."""
        return self

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """As of `Recommender`; a model gives no more than the K of its bundle, −1 follows."""
        inputs = self._encode(histories.records, histories.now_ms)
        if inputs.context is not None and histories.context is not None:
            # The log holds codes: its events' own words are not kept.
            inputs.context[:, MOMENT_COLUMNS:] = histories.context
        rows = self.scorer.score(self._without(inputs, histories)).topk_ids[:, :k]
        # Row 0, no candidate, has the hash of no item, which no catalogue knows.
        codes = histories.catalogue.rows(self.vocabulary.hashes[rows].reshape(-1)).reshape(rows.shape) - 1
        lists = np.full((len(histories), k), -1, dtype=np.int32)
        lists[:, : rows.shape[1]] = codes
        return lists

    def newest(self, record: bytes, events: int) -> ModelInputs:
        """One history at its newest event, of which the model hears the newest `events` alone."""
        inputs = self._encode([record], np.array([header(record).newest_ms]))
        shown = np.arange(self._max_length) >= self._max_length - events
        return replace(
            inputs,
            item_ids=inputs.item_ids * shown,
            event_types=inputs.event_types * shown,
            time_deltas=inputs.time_deltas * shown,
        )

    def _encode(self, records: Sequence[bytes], now_ms: NDArray[np.int64]) -> ModelInputs:
        return encode(
            records,
            now_ms,
            self.vocabulary,
            max_length=self._max_length,
            context_fields=self._context_fields,
            trained=self._trained,
        )

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
        return replace(inputs, exclude_ids=np.concatenate(parts, axis=1))

    def _rows_of(self, earlier: Ragged, histories: Histories) -> NDArray[np.int32]:
        """Item codes of the log as rows of the model, int32 [batch, most], 0 after the last."""
        width = int(earlier.lengths.max(initial=0))
        more = np.zeros((len(histories), width), dtype=np.int32)
        column = np.arange(len(earlier.values)) - np.repeat(earlier.start[:-1], earlier.lengths)
        more[earlier.row, column] = self.vocabulary.rows(histories.catalogue.hashes[earlier.values + 1])
        return more

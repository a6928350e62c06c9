"""The attention encoder of the product, trained in each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.bundle.vocabulary import Vocabulary
from models.encoder_config import EncoderConfig
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.messages import Item
from stream_app.domain.ranking import Ranked
from training.dataset import HistoryRules
from training.errors import TrainingDiverged, TrainingError
from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.evaluation.served import ServedModel
from training.fit_config import FitConfig, without_times
from training.interactions import Interactions
from training.item_start import TowerConfig
from training.torch_scorer import K_LIMIT, TorchScorer
from training.train import TrainedModel, train
from training.untouched import told_of, untouched_rows


class AttentionEncoder:
    """What `millstream train` makes, asked through the worker's own encoding, without an export.

    With `items` it reads their fields, and knows those that nobody has touched in training, as a worker does:
    each of which something is told gets a row from the item tower. They are candidates, none before its
    `published_at`; in histories the encoder passes over them as in a worker: what it was not trained with it
    reads badly.
    """

    def __init__(
        self,
        *,
        rules: HistoryRules,
        config: FitConfig,
        encoder: EncoderConfig | None = None,
        name: str = "attention",
        items: Mapping[str, Item] | None = None,
        tower: TowerConfig | None = None,
        k_limit: int = K_LIMIT,
        show_progress: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.name = name
        self._rules, self._config, self._encoder, self._k_limit = rules, config, encoder, k_limit
        self._items, self._tower = items or {}, tower
        self._show_progress, self._say = show_progress, say
        self._model: ServedModel | None = None

    def fit(self, training: Interactions) -> None:
        """Train anew. Raises NotApplicable where the log holds nothing to learn from."""
        config = self._config if training.has_times else without_times(self._config)
        try:
            trained = train(
                training,
                rules=self._rules,
                config=config,
                encoder=self._encoder,
                items=self._items,
                tower=self._tower,
                show_progress=self._show_progress,
                say=lambda line: self._say(f"{self.name}: {line}"),
            )
        except TrainingDiverged:
            raise  # a fault of the settings, not a log that holds nothing
        except TrainingError as error:
            raise NotApplicable(str(error)) from error
        known = trained.model.known
        more = [] if known is None else told_of(self._untouched(training, trained), known.tower)
        rows = None if known is None else untouched_rows(more, known.tower)
        self._model = ServedModel(
            name=self.name,
            scorer=_InOrder(TorchScorer(trained.model, k_limit=self._k_limit, more=rows)),
            vocabulary=Vocabulary([*trained.vocabulary.item_ids, *(item.item_id for item in more)]),
            max_length=self._rules.max_length,
            context_fields=trained.model.encoder.config.context,
            trained=len(trained.vocabulary),
            published_ms=np.array([0] * (1 + len(trained.vocabulary)) + [i.published_at or 0 for i in more]),
        )

    @property
    def served(self) -> ServedModel | None:
        """As of `Attentive`."""
        return self._model

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """As of `ServedModel`."""
        if self._model is None:
            raise RuntimeError("not fitted yet")
        return self._model.recommend(histories, k=k)

    def _untouched(self, training: Interactions, trained: TrainedModel) -> list[Item]:
        """The items of the table without events, those of the log first, in its order: so do ties rank."""
        ids = dict.fromkeys((*(item for item in training.items if item in self._items), *self._items))
        return [self._items[item_id] for item_id in ids if not trained.vocabulary.row(item_id)]


class _InOrder:
    """Equal scores in the order of the rows: untouched items of equal fields have equal scores."""

    def __init__(self, scorer: TorchScorer) -> None:
        self._scorer = scorer

    def score(self, inputs: ModelInputs) -> Ranked:
        """As of `TorchScorer`."""
        ranked = self._scorer.score(inputs)
        order = np.lexsort((ranked.topk_ids, -ranked.topk_scores), axis=1)
        return Ranked(
            np.take_along_axis(ranked.topk_ids, order, axis=1),
            np.take_along_axis(ranked.topk_scores, order, axis=1),
            ranked.attention,
        )

"""The attention encoder of the product, trained in each round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.encoder_config import EncoderConfig
from training.dataset import HistoryRules
from training.errors import TrainingError
from training.evaluation.histories import Histories
from training.evaluation.recommender import NotApplicable
from training.evaluation.served import ServedModel
from training.fit_config import FitConfig, without_times
from training.interactions import Interactions
from training.torch_scorer import K_LIMIT, TorchScorer
from training.train import train


class AttentionEncoder:
    """What `millstream train` makes, asked through the worker's own encoding, without an export."""

    def __init__(
        self,
        *,
        rules: HistoryRules,
        config: FitConfig,
        encoder: EncoderConfig | None = None,
        name: str = "attention",
        k_limit: int = K_LIMIT,
        show_progress: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.name = name
        self._rules, self._config, self._encoder, self._k_limit = rules, config, encoder, k_limit
        self._show_progress, self._say = show_progress, say

    def fit(self, training: Interactions) -> None:
        """Train anew. Raises NotApplicable where the log holds nothing to learn from."""
        config = self._config if training.has_times else without_times(self._config)
        try:
            trained = train(
                training,
                rules=self._rules,
                config=config,
                encoder=self._encoder,
                show_progress=self._show_progress,
                say=lambda line: self._say(f"{self.name}: {line}"),
            )
        except TrainingError as error:
            raise NotApplicable(str(error)) from error
        self._model = ServedModel(
            name=self.name,
            scorer=TorchScorer(trained.model, k_limit=self._k_limit),
            vocabulary=trained.vocabulary,
            max_length=self._rules.max_length,
            context_fields=trained.model.encoder.config.context,
        )

    def recommend(self, histories: Histories, *, k: int) -> NDArray[np.int32]:
        """As of `ServedModel`."""
        return self._model.recommend(histories, k=k)

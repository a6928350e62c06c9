"""What the worker needs of a model, whatever runs it."""

from __future__ import annotations

from typing import Protocol

from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked


class Scorer(Protocol):
    """Ranks the catalogue for a batch of encoded histories.

    `max_length` is L, the events of a history that it reads; `k_limit` is K, the length of its answer.
    """

    @property
    def version(self) -> str: ...

    @property
    def max_length(self) -> int: ...

    @property
    def k_limit(self) -> int: ...

    def score(self, inputs: ModelInputs) -> Ranked:
        """Best first, [batch, K]; nothing excluded or unavailable, 0 where no candidate is left.

        Raises ValueError for rows that the catalogue does not have, and for shapes other than [batch, L].
        """
        ...

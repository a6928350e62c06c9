"""Whether a loaded graph answers as the exporter's did: the last check before a version serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle.errors import WrongAnswers
from models.bundle.manifest import GoldenBatch
from models.bundle.signature import ABSOLUTE_TOLERANCE, NO_CANDIDATE_SCORE, RELATIVE_TOLERANCE
from stream_app.domain.encoding import ModelInputs
from stream_app.domain.ranking import Ranked
from stream_app.scoring.scorer import Scorer


def check_golden(folder: Path, golden: GoldenBatch, scorer: Scorer) -> None:
    """Score the golden batch with every item available. Raises WrongAnswers naming the first difference."""
    try:
        inputs = ModelInputs(
            np.array(golden.item_ids, dtype=np.int32),
            np.array(golden.event_types, dtype=np.int32),
            np.array(golden.time_deltas, dtype=np.float32),
            np.array(golden.exclude_ids, dtype=np.int32),
            None if golden.context is None else np.array(golden.context, dtype=np.int32),
        )
        expected = Ranked(
            np.array(golden.topk_ids, dtype=np.int32),
            np.array(golden.topk_scores, dtype=np.float32),
            np.array(golden.attention, dtype=np.float32),
        )
        found = scorer.score(inputs)
    except Exception as error:  # whatever it is, this version cannot serve
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WrongAnswers(f"{folder}: the golden batch cannot be scored ({reason}); export again") from error
    fault = _difference(expected, found)
    if fault:
        raise WrongAnswers(
            f"{folder}: the golden batch is answered otherwise: {fault}; export the model again"
        )


def _difference(expected: Ranked, found: Ranked) -> str | None:
    """What differs beyond rounding: ids must be equal but for places whose scores tie."""
    for name in ("topk_ids", "topk_scores", "attention"):
        wanted, there = getattr(expected, name), getattr(found, name)
        if wanted.shape != there.shape:
            return f"{name} is {list(there.shape)} instead of {list(wanted.shape)}"
    for name in ("topk_scores", "attention"):
        wanted, there = getattr(expected, name), getattr(found, name)
        close = np.isclose(there, wanted, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)
        if not close.all():
            row, place = np.argwhere(~close)[0]
            return f"{name}[{row}, {place}] is {there[row, place]:.6g} instead of {wanted[row, place]:.6g}"
    for row, place in np.argwhere(expected.topk_ids != found.topk_ids):
        if not _ties(expected, row, int(found.topk_ids[row, place]), found.topk_scores[row, place]):
            return (
                f"topk_ids[{row}, {place}] is {found.topk_ids[row, place]} "
                f"instead of {expected.topk_ids[row, place]}"
            )
    return None


def _ties(expected: Ranked, row: int, item: int, score: np.float32) -> bool:
    """Whether an item at another place than expected is there because its score equals its neighbours'."""
    places = np.flatnonzero(expected.topk_ids[row] == item)
    # An item from beyond the last place can only have tied with the last.
    own = expected.topk_scores[row, places[0] if len(places) else -1]
    return bool(
        item > 0
        and score > NO_CANDIDATE_SCORE
        and np.isclose(score, own, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)
    )

"""The circumstances of events, on their way through batches that are cut and joined."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.bundle.context import Context
from models.encoder_config import EncoderConfig
from stream_app.domain.encoding import encode
from stream_app.scoring.microbatch import ScoringThread
from stream_app.scoring.snapshot import load_snapshot
from tests.unit.stream_app.scoring.test_microbatch import NOW_MS, records_of, scoring
from training.untrained import export_untrained

__all__ = ["scoring"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exporting takes seconds."""
    folder = tmp_path_factory.mktemp("told-of-devices")
    export_untrained(folder, items=300, encoder=EncoderConfig(max_length=20, width=16, context=("device",)))
    return folder


async def test_each_row_is_asked_in_the_circumstances_of_its_own_event(
    scoring: ScoringThread, bundle: Path
) -> None:
    snapshot = load_snapshot(bundle, device="cpu")
    scoring.swap(snapshot)
    devices: list[Context] = [None, *({"device": name} for name in ("phone", "tv", "desk"))]
    # More than fit in a batch: they are cut in pieces, and one caller's are joined with another's.
    record, now_ms = records_of(1)[0], [NOW_MS] * 21
    told = [devices[row % 4] for row in range(21)]
    with_told, without = await asyncio.gather(
        scoring.score([record] * 21, now_ms, told), scoring.score([record] * 21, now_ms)
    )
    assert with_told is not None and without is not None
    alone = {}
    for place, device in enumerate(devices):
        inputs = encode(
            [record],
            [NOW_MS],
            snapshot.vocabulary,
            max_length=20,
            context_fields=("device",),
            contexts=[device],
        )
        alone[place] = snapshot.scorer.score(inputs).topk_ids[0].tolist()
    assert len({tuple(ids) for ids in alone.values()}) == 4
    assert with_told.ranked.topk_ids.tolist() == [alone[row % 4] for row in range(21)]
    assert without.ranked.topk_ids.tolist() == [alone[0]] * 21

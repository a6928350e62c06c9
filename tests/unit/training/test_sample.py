"""The sample that is shipped."""

from __future__ import annotations

import numpy as np
import polars as pl

from models.bundle.signature import EVENT_TYPES
from training import sample
from training.sources.files import read_interactions


def test_the_sample_is_whole_and_its_terms_lie_beside_it() -> None:
    log = read_interactions(sample.INTERACTIONS)
    assert (len(log), len(log.users), len(log.items)) == (100_004, 671, 9_066)
    assert not log.rejected
    counts = dict(zip(EVENT_TYPES, np.bincount(log.type_code).tolist(), strict=True))
    assert (counts["like"], counts["view"], counts["dislike"]) == (51_568, 30_602, 17_834)
    assert set(log.items) == set(pl.read_parquet(sample.ITEMS)["item_id"])
    terms = (sample.FOLDER / "TERMS.md").read_text()
    assert "acknowledge the use of the data set" in terms and "10.1145/2827872" in terms

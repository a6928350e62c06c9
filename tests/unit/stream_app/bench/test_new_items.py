from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.bench import new_items
from stream_app.bench.new_items import bench_new_items, some_items
from stream_app.bench.processes import BenchError
from tests.tiny_bundle import make_tiny_bundle
from training.untrained import export_untrained


def test_what_it_measures_has_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_items, "MILLION", 2_000)
    told = some_items(60)
    export_untrained(tmp_path, items=60, max_length=20, width=16, told=told)
    results, ratios = bench_new_items(tmp_path, singles=3, many=40, users=64, rounds=1)
    assert [result["name"] for result in results] == [
        "one_item",
        "many_items",
        "catalogue_of_a_million",
        "scoring_without",
        "scoring_beside",
    ]
    assert all(value > 0 for result in results for name, value in result.items() if name != "name")
    assert ratios["with_195_new_items_over_without"] > 0


def test_a_model_without_a_tower_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no item tower"):
        bench_new_items(make_tiny_bundle(tmp_path, ["a", "b"]))

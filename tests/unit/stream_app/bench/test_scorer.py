from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream_app.bench.scorer import bench_scorer, histories, scorer_ratios
from stream_app.domain.history import header, length
from tests.tiny_bundle import make_tiny_bundle


def test_both_ways_are_measured_at_every_batch_size(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path, [f"item-{i}" for i in range(50)])
    results = bench_scorer(bundle, batches=(1, 32), rounds=1, users=128)
    assert [(result["name"], result["batch"]) for result in results] == [
        ("onnxruntime", 1),
        ("scoring_thread", 1),
        ("onnxruntime", 32),
        ("scoring_thread", 32),
    ]
    assert all(result["users_per_second"] > 0 for result in results)
    ratios = scorer_ratios(results)
    assert ratios["scoring_thread_over_onnxruntime"] == ratios["scoring_thread_over_onnxruntime_at_32"]
    assert ratios["scoring_thread_over_onnxruntime_at_1"] > 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are chosen on Linux only")
def test_the_process_has_its_cores_back_afterwards(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    bundle = make_tiny_bundle(tmp_path, [f"item-{i}" for i in range(50)])
    bench_scorer(bundle, batches=(8,), rounds=1, users=128)
    assert os.sched_getaffinity(0) == before


def test_ratios_compare_the_same_batch_size() -> None:
    results = [
        {"name": "onnxruntime", "batch": 8, "users_per_second": 4_000},
        {"name": "scoring_thread", "batch": 8, "users_per_second": 3_000},
    ]
    assert scorer_ratios(results) == {"scoring_thread_over_onnxruntime_at_8": 0.75}


def test_histories_are_records_as_the_worker_stores_them() -> None:
    records = histories([11, 12, 13], users=50)
    assert all(1 <= length(record) <= 200 for record in records)
    assert len({length(record) for record in records}) > 10
    assert header(records[0]).format == 1

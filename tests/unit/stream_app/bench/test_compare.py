from __future__ import annotations

import pytest

from stream_app.bench.compare import bench_compare, compare_ratios, exactly_once_refusal
from stream_app.bench.processes import BenchError
from stream_app.bench.quix_environment import QUIX_STREAMS, requirements
from stream_app.settings import Settings


def test_ratios_say_how_many_times_as_fast_as_each_rival() -> None:
    speeds = {
        "worker": 50_000.0,
        "worker_exactly_once": 35_000.0,
        "bare_loop": 40_000.0,
        "quix_streams": 6_250.0,
        "naive_faust": 1_600.0,
    }
    results = [{"name": name, "events_per_second": speed} for name, speed in speeds.items()]
    assert compare_ratios(results) == {
        "exactly_once": 0.7,
        "bare_loop": 1.25,
        "quix_streams": 8.0,
        "naive_faust": 31.25,
    }


def test_what_was_not_run_has_no_ratio() -> None:
    assert compare_ratios([{"name": "worker", "events_per_second": 1.0}]) == {}


def test_exactly_once_is_measured_where_the_settings_take_it() -> None:
    try:
        Settings.model_validate({"delivery": "exactly-once"})
    except ValueError as error:
        assert (exactly_once_refusal() or "?") in str(error)
    else:
        assert exactly_once_refusal() is None


def test_an_unknown_rival_is_named() -> None:
    with pytest.raises(BenchError, match="no rival flink; there are bare_loop"):
        bench_compare(rivals=["flink"], exactly_once=False)


def test_every_requirement_of_the_rivals_environment_that_matters_is_exact() -> None:
    needed = requirements()
    assert QUIX_STREAMS in needed and any(one.startswith("msgspec==") for one in needed)

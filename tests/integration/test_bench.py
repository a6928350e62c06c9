"""The benchmarks' rivals do the worker's work, and an open load is answered: small runs on Apache Kafka."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from stream_app.bench.compare import BARE_LOOP
from stream_app.bench.latency import bench_latency
from stream_app.bench.overload import bench_overload
from stream_app.bench.processes import MeasuredProcess, two_cores
from stream_app.bench.quix_environment import is_ready, quix_command, quix_variables
from stream_app.bench.worker import NAIVE_AGENT, Contender, run_once
from stream_app.brokers import ApacheKafka
from stream_app.streaming.topics import TopicNames
from tests.conftest import require_apache_kafka
from tests.reference import (
    Found,
    check_answers,
    check_histories,
    check_outcomes,
    expected_histories,
    expected_outcomes,
    find_everything,
    found_outcomes,
)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the benchmarks need Linux and two cores",
)


async def run(apache_kafka: ApacheKafka, contender: Contender) -> Found:
    """Everything that came of a small run, which has passed the benchmark's own checks."""
    kafka = {"bootstrap_servers": apache_kafka.bootstrap_servers}
    found: list[Found] = []

    async def finish(names: TopicNames, process: MeasuredProcess) -> None:
        found.append(await find_everything(SimpleNamespace(names=names, **kafka)))

    result = await run_once(contender, kafka=kafka, cores=two_cores(), finish=finish)
    assert result["events_per_second"] > 0
    return found[0]


def contender(name: str, command: tuple[str, ...], **more: object) -> Contender:
    return Contender(
        name=name, command=command, events=4_000, users=300, event_bytes=200, **{"environment": {}, **more}
    )


@pytest.mark.parametrize(("name", "command"), [("bare_loop", BARE_LOOP), ("naive_faust", NAIVE_AGENT)])
async def test_a_rival_does_what_the_worker_does(
    apache_kafka: ApacheKafka, name: str, command: tuple[str, ...]
) -> None:
    found = await run(apache_kafka, contender(name, command))
    expected = expected_histories(found.source)
    check_histories(found, expected)
    check_answers(found, expected)
    check_outcomes(found)
    assert found_outcomes(found) == expected_outcomes(found)


async def test_quix_streams_gives_the_same_answers_and_outcomes(apache_kafka: ApacheKafka) -> None:
    if not is_ready():
        pytest.skip("Quix Streams is not installed; `millstream bench compare` installs it")
    found = await run(apache_kafka, contender("quix_streams", quix_command(), environment=quix_variables()))
    check_answers(found, expected_histories(found.source))
    check_outcomes(found)
    assert found_outcomes(found) == expected_outcomes(found)
    assert len(found.recommendations) == len(found.source)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lasts as long as it must to be measured well is over sooner."""
    monkeypatch.setattr("stream_app.bench.latency._BACKLOG", {False: 20_000})
    monkeypatch.setattr("stream_app.bench.latency._HISTORIES", 2_000)


@pytest.mark.usefixtures("brief")
def test_the_latency_of_an_open_load_is_told_beside_the_brokers() -> None:
    require_apache_kafka()
    (result,), ratios = bench_latency(None, rates=(50.0,), seconds=2.0, warm_up_s=1.0)
    assert result["name"] == "at_50_per_second" and result["offered_per_second"] == 50
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert 0 < result["broker_round_trip_p50_ms"] < result["max_ms"]
    assert ratios.keys() == {"at_50_per_second_over_broker"}


@pytest.mark.usefixtures("brief")
def test_an_overload_is_worked_off_and_everybody_answered() -> None:
    require_apache_kafka()
    (result,), ratios = bench_overload(None, factor=0.5, seconds=2.0, probe_s=2.0)
    assert result["events"] > 1000
    assert result["lag_max"] > 0
    assert ratios["memory"] >= 1
    assert result["p50_ms_after"] > 0

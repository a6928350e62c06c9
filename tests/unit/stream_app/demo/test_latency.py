from __future__ import annotations

import pytest

from stream_app.demo.latency import Latencies


def test_nothing_measured_has_no_percentiles() -> None:
    assert Latencies().percentiles_ms() == {"p50": None, "p99": None}


def test_latency_is_from_sending_to_the_answer_in_milliseconds() -> None:
    latencies = Latencies()
    for number in range(100):
        latencies.sent(f"e{number}", at_s=10.0)
        latencies.answered([f"e{number}"], at_s=10.0 + (number + 1) / 1000)
    found = latencies.percentiles_ms()
    assert found["p50"] == pytest.approx(50.5)
    assert 99 <= (found["p99"] or 0) <= 100


def test_one_answer_may_name_several_events() -> None:
    latencies = Latencies()
    latencies.sent("a", at_s=1.0)
    latencies.sent("b", at_s=2.0)
    assert latencies.answered(["a", "b"], at_s=3.0) == 2
    assert latencies.percentiles_ms()["p50"] == pytest.approx(1500)


def test_an_answer_given_twice_is_measured_once() -> None:
    latencies = Latencies()
    latencies.sent("a", at_s=1.0)
    assert [latencies.answered(["a"], at_s=2.0), latencies.answered(["a"], at_s=9.0)] == [1, 0]
    assert latencies.percentiles_ms()["p99"] == pytest.approx(1000)


def test_what_is_not_answered_is_waited_for() -> None:
    latencies = Latencies()
    latencies.sent("a", at_s=1.0)
    latencies.sent("b", at_s=1.0)
    latencies.answered(["a"], at_s=2.0)
    assert latencies.waiting == 1


def test_recent_percentiles_leave_out_what_was_long_ago() -> None:
    latencies = Latencies()
    for number in range(2000):
        latencies.sent(str(number), at_s=0.0)
        latencies.answered([str(number)], at_s=5.0 if number < 1000 else 0.001)
    assert latencies.percentiles_ms(recent=True)["p99"] == pytest.approx(1)
    assert latencies.percentiles_ms()["p99"] == pytest.approx(5000)

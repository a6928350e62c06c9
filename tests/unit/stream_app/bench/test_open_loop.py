from __future__ import annotations

import numpy as np
import pytest

from stream_app.bench.arrivals import moments_of
from stream_app.bench.load_generator import Due, due_events, pace
from stream_app.bench.open_loop import Load, percentiles
from stream_app.domain.decoding import Interaction, decode


def load(per_second: float) -> Load:
    return Load(per_second=per_second, seconds=2, warm_up_s=1, items=30)


def moments(of: Load) -> list[int]:
    orders = of.orders(bootstrap_servers="", topic="events", begin_ns=10**18)
    return sorted(
        order.begin_ns + number * order.every_ns for order in orders for number in range(order.count)
    )


@pytest.mark.parametrize("per_second", [1.0, 100.0, 1_351.7, 7_000.0])
def test_all_generators_together_keep_the_rate(per_second: float) -> None:
    found = moments(load(per_second))
    assert len(found) == len(set(found)) == load(per_second).count
    assert np.diff(found) == pytest.approx(1e9 / per_second, rel=0.02)


def test_a_high_rate_has_several_generators_with_events_of_their_own() -> None:
    orders = list(load(7_000).orders(bootstrap_servers="", topic="events", begin_ns=0))
    assert len(orders) == 4 and len({order.seed for order in orders}) == 4


def test_an_event_carries_its_moment_and_is_a_good_one() -> None:
    (orders,) = load(100).orders(bootstrap_servers="", topic="events", begin_ns=1_700_000_000 * 10**9)
    events = list(due_events(orders))
    assert len(events) == 300
    for due in events:
        event = decode(due.key, due.value, offset=0, record_timestamp_ms=due.at_ns // 1_000_000)
        assert isinstance(event, Interaction) and event.event_id == str(due.at_ns)
        assert list(moments_of("events")(due.value)) == [due.at_ns]
        assert len(due.value) >= 200


def test_a_list_answers_every_event_that_it_names() -> None:
    value = b'{"user_id": "u", "trigger": {"event_ids": ["17", "18"], "offset": 3}}'
    assert list(moments_of("recommendations")(value)) == [17, 18]


def test_an_event_that_is_late_does_not_move_the_next_ones() -> None:
    sent = []
    pace([Due(number, b"", b"") for number in range(3)], sent.append)
    assert [due.at_ns for due in sent] == [0, 1, 2]


def test_latency_counts_from_the_moment_and_not_from_the_sending() -> None:
    arrived = np.array([[0, 10**9], [10**9, 10**9 + 4_000_000], [2 * 10**9, 2 * 10**9 + 8_000_000]])
    assert percentiles(arrived, from_ns=10**9) == {"p50_ms": 6.0, "p99_ms": 7.96, "max_ms": 8.0}

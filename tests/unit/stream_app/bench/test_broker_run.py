from __future__ import annotations

import pytest

from stream_app.bench.broker_run import Answered, check_all_answered, window_of
from stream_app.bench.processes import BenchError


def answer(offset: int, at_ms: int, *, partition: int = 0, user: str = "u") -> Answered:
    return Answered(partition, user, offset, at_ms)


def test_what_was_done_at_the_first_arrival_is_not_counted() -> None:
    # Two chunks: offsets 0 to 4 arrive at 1000, 5 to 9 at 3000.
    window = window_of([answer(2, 1000), answer(4, 1000, user="v"), answer(9, 3000)], events=10)
    assert (window.seconds, window.events, window.recommendations) == (2.0, 5, 1)
    assert window.events_per_second == 2.5


def test_partitions_are_counted_by_themselves() -> None:
    first = [answer(3, 1000), answer(0, 1500, partition=1)]
    window = window_of([*first, answer(9, 2000, partition=1), answer(7, 2000)], events=18)
    assert window.events == 14


def test_every_users_newest_event_must_be_answered() -> None:
    newest = {(0, "u"): 5, (1, "u"): 2, (0, "v"): 4}
    whole = [answer(3, 0), answer(5, 0), answer(2, 0, partition=1), answer(4, 0, user="v")]
    check_all_answered(whole, newest)
    with pytest.raises(BenchError, match="1 of 3 users"):
        check_all_answered(whole[:-1], newest)
    with pytest.raises(BenchError, match="2 of 3 users"):
        check_all_answered([answer(3, 0), answer(4, 0, user="v")], newest)

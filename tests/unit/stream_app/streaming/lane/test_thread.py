"""The fetch thread."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition

from stream_app.streaming.lane.thread import LaneConsumerThread

HOT, OTHER, LAST = (TopicPartition("topic", number) for number in range(3))


def much(name: str) -> FetchResult:
    result: Any = object.__new__(FetchResult)  # the fetcher looks at the very type
    result.getall = lambda limit: [name] * limit
    result.has_more = lambda: True
    return result  # type: ignore[no-any-return]


async def test_partitions_of_which_much_is_buffered_take_turns() -> None:
    """Hole 7: aiokafka alone would hand out the hot one's again and again."""
    fetcher = object.__new__(Fetcher)
    fetcher._subscriptions = SubscriptionState()
    fetcher._subscriptions.assign_from_user([HOT, OTHER, LAST])
    fetcher._closed = False
    fetcher._records = {HOT: much("hot"), OTHER: much("other"), LAST: much("last")}
    thread: Any = object.__new__(LaneConsumerThread)
    thread.consumer = SimpleNamespace(flow_active=True)
    consumer = SimpleNamespace(_fetcher=fetcher, _closed=False)

    served = [await thread._fetch_records(consumer, frozenset(), 0.1, 2) for _ in range(4)]

    assert served == [{HOT: ["hot"] * 2}, {OTHER: ["other"] * 2}, {LAST: ["last"] * 2}, {HOT: ["hot"] * 2}]
    assert await thread._fetch_records(consumer, frozenset([LAST]), 0.1, 2) == {LAST: ["last"] * 2}

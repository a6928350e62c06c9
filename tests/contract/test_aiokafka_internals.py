"""What the lane leans on inside aiokafka: there, and as it was when the lane was written.

A failure here after an upgrade is no bug of the lane: see test_faust_internals.py.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import TopicPartition

SIGNATURES: dict[Callable[..., Any], list[str]] = {
    GroupCoordinator._do_heartbeat: ["self"],
    aiokafka.AIOKafkaConsumer.seek_to_committed: ["self", "partitions"],
    aiokafka.AIOKafkaConsumer.seek_to_beginning: ["self", "partitions"],
    aiokafka.AIOKafkaProducer.create_batch: ["self"],
    aiokafka.AIOKafkaProducer.send_batch: ["self", "batch", "topic", "partition"],
    AIOKafkaClient.fetch_all_metadata: ["self"],
    ClusterMetadata.partitions_for_topic: ["self", "topic"],
    aiokafka.AIOKafkaProducer.begin_transaction: ["self"],
    aiokafka.AIOKafkaProducer.commit_transaction: ["self"],
    aiokafka.AIOKafkaProducer.abort_transaction: ["self"],
    aiokafka.AIOKafkaProducer.send_offsets_to_transaction: ["self", "offsets", "group_id"],
    TransactionManager.wait_for_transaction_end: ["self"],
}  # fmt: skip


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_what_is_overridden_or_called_takes_what_it_took(function: Callable[..., Any]) -> None:
    assert list(inspect.signature(function).parameters) == SIGNATURES[function]


class TestFetcher:
    """aiokafka.consumer.fetcher"""

    async def test_no_partitions_at_all_are_read_as_no_filter(self) -> None:
        """Hole 1 as it is: with an empty filter the records of every partition are handed out."""
        assert "if partitions and tp not in partitions" in inspect.getsource(Fetcher.fetched_records)

        paused, other = TopicPartition("topic", 0), TopicPartition("topic", 1)
        fetcher = object.__new__(Fetcher)
        fetcher._subscriptions = SubscriptionState()
        fetcher._subscriptions.assign_from_user([paused, other])
        fetcher._records = {paused: fetched(["record"])}
        fetcher._wait_consume_future = None

        assert await fetcher.fetched_records(frozenset([other])) == {}
        fetcher._records = {paused: fetched(["record"])}
        assert await fetcher.fetched_records(frozenset()) == {paused: ["record"]}

    async def test_what_came_first_is_emptied_first(self) -> None:
        """Hole 7 as it is: with a limit, a partition of which much is buffered is served to its end."""
        first, other = TopicPartition("topic", 0), TopicPartition("topic", 1)
        fetcher = object.__new__(Fetcher)
        fetcher._subscriptions = SubscriptionState()
        fetcher._subscriptions.assign_from_user([first, other])
        fetcher._records = {first: fetched(["one"]), other: fetched(["two"])}
        fetcher._wait_consume_future = None
        for _ in range(3):
            assert await fetcher.fetched_records(frozenset(), max_records=1) == {first: ["one"]}
        fetcher._records[first] = fetcher._records.pop(first)
        assert await fetcher.fetched_records(frozenset(), max_records=1) == {other: ["two"]}


def fetched(records: list[Any]) -> FetchResult:
    result: Any = object.__new__(FetchResult)  # the fetcher looks at the very type
    result.getall = lambda max_records: records
    result.has_more = lambda: True
    return result  # type: ignore[no-any-return]


class TestProducer:
    """aiokafka.producer"""

    async def test_a_batch_says_none_to_what_it_has_no_room_for(self) -> None:
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", max_batch_size=1000)
        batch = producer.create_batch()
        assert batch.append(key=b"k", value=b"v" * 500, timestamp=None) is not None
        assert batch.append(key=b"k", value=b"v" * 500, timestamp=None) is None
        assert batch.record_count() == 1
        await asyncio.sleep(0)

    async def test_a_transactional_one_has_a_manager_and_others_have_none(self) -> None:
        plain = aiokafka.AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
        transactional = aiokafka.AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", transactional_id="id")
        assert plain._txn_manager is None
        assert transactional._txn_manager.wait_for_transaction_end() is None

    async def test_a_batchs_future_tells_the_offset_of_its_first_record(self) -> None:
        """How far the store says that it is in the changelog: never further than it is."""
        batch = aiokafka.AIOKafkaProducer(bootstrap_servers="127.0.0.1:1").create_batch()
        for value in (b"1", b"2"):
            batch.append(key=b"k", value=value, timestamp=None)
        message_batch = MessageBatch(TopicPartition("topic", 3), batch, ttl=1.0, linger_time=0.0)
        message_batch.done(base_offset=41)
        assert (await message_batch.future).offset == 41

    def test_an_idempotent_one_tries_for_ever(self) -> None:
        """Why a frozen owner's records may arrive as late as its watchdog allows, and not only 40 s late."""
        batch = SimpleNamespace(expired=lambda: True)
        for transactions, again in ((None, False), (object(), True)):
            handler: Any = object.__new__(SendProduceReqHandler)
            handler._sender = SimpleNamespace(_txn_manager=transactions)
            assert handler._can_retry(KafkaConnectionError(), batch) is again

"""What the batch lane leans on inside Faust: there, and as it was when the lane was written.

A failure here after an upgrade is no bug of the lane: read what changed, mend stream_app/streaming/lane, and
run tests/chaos before anything else.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition
from faust.stores import STORES, rocksdb
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import ConsumerThread
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream_app.streaming import lane
from stream_app.streaming.lane.store import BatchStore
from stream_app.streaming.lane.transport import LaneTransport

SIGNATURES: dict[Callable[..., Any], list[str]] = {
    # lane/consumer.py
    driver.Consumer._new_consumer_thread: ["self"],
    driver.Consumer._new_offset: ["self", "tp"],
    driver.Consumer.on_partitions_revoked: ["self", "revoked"],
    driver.Consumer.on_partitions_assigned: ["self", "assigned", "generation_id"],
    driver.Consumer.wait_empty: ["self"],
    driver.Consumer.maybe_wait_for_commit_to_finish: ["self"],
    driver.Consumer.commit: ["self", "topics", "start_new_transaction"],
    driver.Consumer.highwaters: ["self", "partitions"],
    driver.Consumer.perform_seek: ["self"],
    driver.Consumer.stop_flow: ["self"],
    driver.Consumer.assignment: ["self"],
    driver.Consumer._drain_messages: ["self", "fetcher"],
    driver.Consumer._get_active_partitions: ["self"],
    driver.Consumer._to_message: ["self", "tp", "record"],
    # lane/thread.py
    driver.AIOKafkaConsumerThread._create_worker_consumer: ["self", "transport"],
    driver.AIOKafkaConsumerThread._ensure_consumer: ["self"],
    driver.AIOKafkaConsumerThread._highwaters: ["self", "partitions"],
    driver.AIOKafkaConsumerThread._fetch_records: [
        "self", "consumer", "active_partitions", "timeout", "max_records",
    ],
    ConsumerThread.call_thread: ["self", "fun", "args", "kwargs"],
    driver.server_list: ["urls", "default_port"],
    # lane/producer.py
    driver.Producer._settings_extra: ["self"],
    driver.Producer._ensure_producer: ["self"],
    driver.Producer._settings_default: ["self"],
    driver.Producer._settings_auth: ["self"],
    # lane/recovery.py
    Recovery.need_recovery: ["self"],
    Recovery.flush_buffers: ["self"],
    Recovery._set_recovery_ended: ["self"],
    Recovery.standby_remaining_total: ["self"],
    TableManager.on_standbys_ready: ["self"],
    # lane/tables.py
    TableManager._update_channels: ["self"],
    # lane/store.py
    rocksdb.Store._open_for_partition: ["self", "partition"],
    rocksdb.Store._db_for_partition: ["self", "partition"],
    rocksdb.Store._visible_items: ["self", "db"],
    rocksdb.Store.revoke_partitions: ["self", "table", "tps"],
    rocksdb.Store.persisted_offset: ["self", "tp"],
    rocksdb.Store.set_persisted_offset: ["self", "tp", "offset"],
    rocksdb.Store.stop: ["self"],
    rocksdb.Store.on_recovery_completed: ["self", "active_tps", "standby_tps"],
    # worker_app.py
    faust.App.on_first_start: ["self"],
    faust.App.on_stop: ["self"],
    faust.Worker._schedule_shutdown: ["self", "signal"],
    faust.Worker.on_setup_root_logger: ["self", "logger", "level"],
}  # fmt: skip


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_what_is_overridden_or_called_takes_what_it_took(function: Callable[..., Any]) -> None:
    assert list(inspect.signature(function).parameters) == SIGNATURES[function]


def test_faust_is_the_very_version_that_the_lane_was_written_for() -> None:
    assert importlib.metadata.version("faust-streaming") == "0.15.3"
    assert importlib.metadata.version("aiokafka").startswith("0.14.")


@pytest.fixture
def app(tmp_path: Any) -> faust.App:
    return faust.App("contract", broker="kafka://127.0.0.1:1", store="memory://", datadir=tmp_path)


def test_the_lane_is_found_by_its_schemes() -> None:
    lane.register()
    assert TRANSPORTS.by_url(f"{lane.TRANSPORT_SCHEME}://127.0.0.1:9092") is LaneTransport
    assert STORES.by_url(f"{lane.STORE_SCHEME}://") is BatchStore


class TestConsumer:
    """faust.transport.consumer"""

    @pytest.fixture
    async def consumer(self, app: faust.App) -> driver.Consumer:
        consumer = app.consumer
        assert isinstance(consumer, driver.Consumer)
        return consumer

    async def test_the_set_of_active_partitions_is_shared_and_changed_in_place(
        self, consumer: driver.Consumer
    ) -> None:
        """Hole 1 as it is: whoever was given the set sees it change."""
        partition = TP("topic", 0)
        shared = consumer._set_active_tps({partition})
        assert shared is consumer._get_active_partitions()
        consumer.pause_partitions({partition})
        assert shared == set()

    async def test_commit_asks_for_the_offsets_of_the_partitions_that_have_acks(
        self, consumer: driver.Consumer
    ) -> None:
        partition = TP("topic", 0)
        assert list(consumer._filter_tps_with_pending_acks()) == []
        consumer._acked.setdefault(partition, [])
        assert list(consumer._filter_tps_with_pending_acks()) == [partition]
        consumer._new_offset = lambda tp: 7  # type: ignore[method-assign]
        assert consumer._filter_committable_offsets([partition]) == {partition: 7}
        consumer._committed_offset[partition] = 7
        assert consumer._filter_committable_offsets([partition]) == {}

    async def test_nothing_is_committed_for_a_partition_at_first(self, consumer: driver.Consumer) -> None:
        assert consumer._committed_offset[TP("topic", 0)] is None

    async def test_the_flow_is_stopped_and_resumed_by_these(self, consumer: driver.Consumer) -> None:
        consumer.stop_flow()
        assert (consumer.flow_active, consumer.can_resume_flow.is_set()) == (False, False)
        consumer.resume_flow()
        assert (consumer.flow_active, consumer.can_resume_flow.is_set()) == (True, True)


class TestRecovery:
    """faust.tables.recovery"""

    async def test_it_has_the_bookkeeping_that_the_lane_keeps(self, app: faust.App) -> None:
        recovery, partition = app.tables.recovery, TP("changelog", 0)
        for name in ("active_tps", "standby_tps", "active_offsets", "standby_offsets", "tp_to_table"):
            assert len(getattr(recovery, name)) == 0, name
        recovery.active_highwaters[partition], recovery.active_offsets[partition] = 5, 4
        assert recovery.need_recovery()
        recovery.active_offsets[partition] = 5
        assert not recovery.need_recovery()
        recovery.in_recovery = app.in_recovery = True
        recovery._set_recovery_ended()
        assert (recovery.in_recovery, app.in_recovery) == (False, False)

    def test_high_watermarks_are_the_first_thing_that_it_asks_for(self) -> None:
        """Hole 2 is closed there: between the start signal and the wait for the end signal."""
        source = inspect.getsource(Recovery._restart_recovery.fun)
        order = [source.index(step) for step in (
            "self.signal_recovery_start.clear()", "self._build_highwaters)", "self._build_offsets)",
            "self.signal_recovery_end.wait()", "self.on_recovery_completed)",
        )]  # fmt: skip
        assert order == sorted(order)
        assert "await consumer.highwaters(*tps)" in inspect.getsource(Recovery._build_highwaters)

    def test_its_end_signal_is_cleared_only_at_the_next_turn_of_a_slow_loop(self) -> None:
        """Hole 2 as it is."""
        source = inspect.getsource(Recovery._slurp_changelogs.fun)
        assert source.index("self.signal_recovery_end.clear()") < source.index(
            "changelog_queue.get(), timeout=5.0"
        )
        assert inspect.getsource(Recovery).count("signal_recovery_end.clear()") == 1

    def test_its_high_watermarks_are_last_offsets(self) -> None:
        assert "value - 1 if value is not None else -1" in inspect.getsource(Recovery._build_highwaters)

    def test_it_tells_that_it_is_complete_before_anything_of_the_source_is_sought(self) -> None:
        """Where the sources are checked, and those made anew sent to their beginning."""
        source = inspect.getsource(Recovery.on_recovery_completed)
        assert source.index("on_rebalance_complete.send()") < source.index("consumer.perform_seek()")

    def test_it_asks_for_high_watermarks_before_it_seeks_or_reads(self) -> None:
        """Where partitions are taken over, before the end of a changelog is known."""
        source = inspect.getsource(Recovery._restart_recovery.fun)
        steps = ["self._build_highwaters", "self._seek_offsets", "resume_partitions"]
        assert [source.index(step) for step in steps] == sorted(source.index(step) for step in steps)

    async def test_its_bookkeeping_is_kept_by_partition(self, app: faust.App) -> None:
        recovery = app.tables.recovery
        for name in ("active_offsets", "active_highwaters", "standby_offsets", "standby_highwaters"):
            assert isinstance(getattr(recovery, name), dict)
        assert isinstance(recovery.active_tps, set) and isinstance(recovery.standby_tps, set)


class TestTableManager:
    """faust.tables.manager"""

    def test_its_start_is_a_second_of_sleep_and_what_the_lanes_does_as_well(self) -> None:
        lines = [line.strip() for line in inspect.getsource(TableManager.on_start).splitlines()[2:]]
        assert lines == [
            "await self.sleep(1.0)",
            "if not self.should_stop:",
            "await self._update_channels()",
            "await self.recovery.start()",
        ]


class TestFetchThread:
    """faust.transport.drivers.aiokafka"""

    def test_the_longest_wait_of_a_fetch_is_hard_coded(self) -> None:
        assert "fetch_max_wait_ms=1500" in inspect.getsource(
            driver.AIOKafkaConsumerThread._create_worker_consumer
        )
        assert "_fetch_max_wait_ms" in inspect.getsource(aiokafka.AIOKafkaConsumer.__init__)

    def test_the_wait_is_read_when_the_consumer_starts_and_not_before(self) -> None:
        assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(
            aiokafka.AIOKafkaConsumer.start
        )

    def test_the_isolation_level_is_read_when_the_consumer_starts(self) -> None:
        assert "isolation_level=self._isolation_level" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)

    def test_markers_of_transactions_are_passed_over_and_move_the_position(self) -> None:
        """Hole 6 as it is: what ends a transaction is no record, and yet an offset."""
        source = inspect.getsource(PartitionRecords)
        assert "is_control_batch" in source and "next_fetch_offset = next_batch.next_offset" in source

    async def test_a_position_is_kept_for_each_assigned_partition(self) -> None:
        subscriptions, partition = SubscriptionState(), TopicPartition("topic", 0)
        subscriptions.assign_from_user([partition])
        state = subscriptions.subscription.assignment.state_value(partition)
        assert not state.has_valid_position
        state.reset_to(7)
        assert state.has_valid_position and state.position == 7

    def test_a_generation_is_noted_before_the_partitions_are_handed_out(self) -> None:
        source = inspect.getsource(driver.ConsumerRebalanceListener.on_partitions_assigned)
        noted, handed = (
            source.index("consumer_generation_id = generation"),
            source.index("on_partitions_assigned(ensure"),
        )
        assert noted < handed

    def test_a_heartbeat_tells_whether_it_succeeded_and_is_looked_up_at_each_beat(self) -> None:
        assert "success = await self._do_heartbeat()" in inspect.getsource(
            GroupCoordinator._heartbeat_routine
        )


class TestStore:
    """faust.stores.rocksdb"""

    @pytest.fixture
    def store(self, tmp_path: Any) -> rocksdb.Store:
        app = faust.App("contract", store="rocksdb://", datadir=tmp_path)
        table = app.Table("table", key_type=bytes, value_type=bytes, partitions=1)
        store: rocksdb.Store = table.data
        return store

    async def test_databases_are_opened_when_asked_for_and_kept_by_partition(
        self, store: rocksdb.Store
    ) -> None:
        assert store._dbs == {}
        database = store._db_for_partition(0)
        assert store._dbs == {0: database}
        assert store.table_name == "table"

    async def test_the_offset_lies_among_the_values_under_a_name_that_a_user_could_have(
        self, store: rocksdb.Store
    ) -> None:
        store.set_persisted_offset(TP("changelog", 0), 41)
        assert store._db_for_partition(0).get(store.offset_key) == b"41"
        assert store.offset_key.decode() == "__faust\0offset__"
        assert BatchStore.offset_key != store.offset_key
        with pytest.raises(UnicodeDecodeError):
            BatchStore.offset_key.decode()

    async def test_databases_are_dropped_and_not_closed_when_it_stops(self, store: rocksdb.Store) -> None:
        assert "# db.close()" in textwrap.dedent(inspect.getsource(rocksdb.Store.revoke_partitions))
        assert "#     db.close()" in textwrap.dedent(inspect.getsource(rocksdb.Store.stop))

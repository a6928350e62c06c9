"""The holes of Faust that the lane's consumer closes, each at the moment where it opens.

No broker brings these moments about on demand: the thread that fetches and the lane are scripted, the
consumer, its app and Faust's own bookkeeping are real. tests/chaos shows the same on brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from stream_app.streaming.fencing import Fence
from stream_app.streaming.lane.consumer import LaneConsumer
from stream_app.streaming.worker_app import WorkerApp, create_worker_app

SOURCE = TP("events", 0)
OTHER = TP("events", 1)
GENERATION = 3


class ScriptedThread:
    """Stands in for the thread that fetches; `meanwhile` happens while a fetch is under way."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked: list[Any] = []
        self.rewound: list[frozenset[TP]] = []
        self.commits: list[dict[TP, int]] = []
        self.commit_lasts: asyncio.Event | None = None
        self.assigned = {SOURCE, OTHER}
        self.at: dict[TP, int] = {}
        self.brings = {SOURCE}
        self.begun: list[TP] = []

    async def fetched(self, partitions: Any, **_: Any) -> dict[TP, list[Any]]:
        self.asked.append(partitions)
        self.meanwhile()
        await asyncio.sleep(0)
        return {tp: [SimpleNamespace(offset=5)] for tp in sorted(self.brings)}

    async def getmany(self, partitions: Any, timeout: float) -> dict[TP, list[Any]]:
        return await self.fetched(partitions)

    async def positions(self, partitions: frozenset[TP]) -> dict[TP, int]:
        return {tp: self.at[tp] for tp in partitions}

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        self.meanwhile()
        return dict.fromkeys(partitions, 0)

    async def seek_to_committed(self) -> dict[TP, int]:
        return {}

    async def begin_anew(self, partitions: frozenset[TP]) -> None:
        self.begun += partitions

    async def rewind(self, partitions: frozenset[TP]) -> None:
        self.rewound.append(partitions)

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.commits.append(dict(offsets))
        if self.commit_lasts is not None:
            await self.commit_lasts.wait()
        return True

    def assignment(self) -> set[TP]:
        return self.assigned


class ScriptedLane:
    """Takes down what it is given; `when_drained` happens while it is drained."""

    topic = "events"

    def __init__(self) -> None:
        self.taken: list[tuple[TP, list[int], int]] = []
        self.when_drained: Callable[[], None] = lambda: None
        self.full: set[TP] = set()
        self.taken_over: list[list[TP]] = []
        self.anew: set[TP] = set()

    def accepts(self, tp: TP) -> bool:
        return tp not in self.full

    def take(self, tp: TP, records: Sequence[Any], *, generation: int) -> None:
        self.taken.append((tp, [record.offset for record in records], generation))

    async def take_over(self, partitions: Collection[TP]) -> None:
        self.taken_over.append(sorted(partitions))

    async def recovered(self, partitions: Collection[TP], *, generation: int) -> set[TP]:
        return self.anew & set(partitions)

    async def wait_for_room(self, *, timeout_s: float) -> None:
        await asyncio.sleep(0)

    async def drain(self, *, timeout_s: float) -> bool:
        self.when_drained()
        return True


class NoProducer:
    """Faust flushes its producer before a commit."""

    async def flush(self) -> None:
        pass


@pytest.fixture
async def app(tmp_path: Path) -> WorkerApp:
    app = create_worker_app(
        "holes",
        bootstrap_servers="127.0.0.1:1",
        credentials=None,
        source_topic="events",
        partitions=2,
        state_dir=tmp_path,
        standby_replicas=0,
        session_timeout_s=6,
        web_host="127.0.0.1",
        web_port=1,
    )
    app.lane = ScriptedLane()
    app.fence = Fence(session_timeout_s=6, current_generation=app.current_generation)
    app.consumer_generation_id = GENERATION
    app._producer = NoProducer()  # type: ignore[assignment]
    return app


@pytest.fixture
async def consumer(app: WorkerApp) -> LaneConsumer:
    consumer = app.consumer
    assert isinstance(consumer, LaneConsumer)
    consumer._thread = ScriptedThread()  # type: ignore[assignment]
    consumer._set_active_tps({SOURCE, OTHER})

    async def nothing(*_: Any) -> None:
        pass

    consumer._on_partitions_revoked = nothing  # type: ignore[assignment]
    return consumer


def thread_of(consumer: LaneConsumer) -> ScriptedThread:
    assert isinstance(consumer._thread, ScriptedThread)
    return consumer._thread


def lane_of(consumer: LaneConsumer) -> ScriptedLane:
    assert isinstance(consumer.lane, ScriptedLane)
    return consumer.lane


async def test_hole_1_the_fetch_keeps_its_partitions_though_all_are_paused_meanwhile(
    consumer: LaneConsumer,
) -> None:
    thread_of(consumer).meanwhile = lambda: consumer.pause_partitions({SOURCE, OTHER})
    await consumer._deliver_next()
    assert thread_of(consumer).asked == [{SOURCE, OTHER}]


async def test_hole_1_nothing_is_fetched_without_a_filter(consumer: LaneConsumer) -> None:
    lane_of(consumer).full = {SOURCE, OTHER}
    await consumer._deliver_next()
    consumer.pause_partitions({SOURCE, OTHER})
    await consumer._deliver_next()
    assert thread_of(consumer).asked == []


async def test_a_partition_without_room_is_not_fetched(consumer: LaneConsumer) -> None:
    lane_of(consumer).full = {OTHER}
    await consumer._deliver_next()
    assert thread_of(consumer).asked == [{SOURCE}]


async def test_hole_2_a_recovery_begins_with_its_end_unsaid(app: WorkerApp, consumer: LaneConsumer) -> None:
    ended = app.tables.recovery.signal_recovery_end
    ended.set()  # by the recovery before, less than 5 s ago
    seen: list[bool] = []
    thread_of(consumer).meanwhile = lambda: seen.append(ended.is_set())
    await consumer.highwaters(TP("changelog", 0))
    assert seen == [False]


async def test_partitions_are_taken_over_once_a_generation_and_before_ends_are_asked_for(
    app: WorkerApp, consumer: LaneConsumer
) -> None:
    before_ends: list[int] = []
    thread_of(consumer).meanwhile = lambda: before_ends.append(len(lane_of(consumer).taken_over))
    for _ in range(2):  # of the actives, of the standbys
        await consumer.highwaters(TP("changelog", 0))
    app.consumer_generation_id = GENERATION + 1
    await consumer.highwaters(TP("changelog", 0))
    assert lane_of(consumer).taken_over == [[SOURCE, OTHER]] * 2
    assert before_ends == [1, 1, 2]


async def test_a_source_that_is_another_one_is_read_from_its_beginning_once(consumer: LaneConsumer) -> None:
    lane_of(consumer).anew = {OTHER}
    await consumer.check_sources()
    await consumer.perform_seek()
    await consumer.perform_seek()
    assert thread_of(consumer).begun == [OTHER]
    assert consumer.committed_offset(OTHER) == 0


async def test_hole_6_a_recovery_ends_at_a_marker_that_nobody_hands_out(
    app: WorkerApp, consumer: LaneConsumer
) -> None:
    changelog, recovery = TP("changelog", 0), app.tables.recovery
    recovery.active_tps.add(changelog)
    recovery.active_highwaters[changelog], recovery.active_offsets[changelog] = 8, 6
    recovery.in_recovery = app.in_recovery = True
    thread_of(consumer).brings = set()
    thread_of(consumer).at[changelog] = 7
    await consumer._deliver_next()
    assert recovery.in_recovery
    thread_of(consumer).at[changelog] = 9  # what lay between is a transaction's end
    await consumer._deliver_next()
    assert not recovery.in_recovery and recovery.signal_recovery_end.is_set()


async def test_hole_3_only_what_the_lane_says_is_committed(consumer: LaneConsumer) -> None:
    consumer._acked[SOURCE] = [0, 1, 2, 3]  # what Faust would guess from
    assert consumer._new_offset(SOURCE) is None
    consumer.acknowledge(SOURCE, 2, generation=GENERATION)
    await consumer.commit()
    assert thread_of(consumer).commits == [{SOURCE: 2}]


async def test_hole_3_an_acknowledgement_moves_on_only_and_only_in_its_generation(
    consumer: LaneConsumer,
) -> None:
    consumer.acknowledge(SOURCE, 7, generation=GENERATION)
    consumer.acknowledge(SOURCE, 5, generation=GENERATION)
    consumer.acknowledge(SOURCE, 9, generation=GENERATION - 1)
    assert consumer._new_offset(SOURCE) == 7


async def test_what_was_fetched_is_handed_to_the_lane(consumer: LaneConsumer) -> None:
    await consumer._deliver_next()
    assert lane_of(consumer).taken == [(SOURCE, [5], GENERATION)]
    assert thread_of(consumer).rewound == []


async def test_hole_4_what_an_earlier_generation_fetched_is_not_handled(
    app: WorkerApp, consumer: LaneConsumer
) -> None:
    def rebalance() -> None:
        app.consumer_generation_id = GENERATION + 1

    thread_of(consumer).meanwhile = rebalance
    await consumer._deliver_next()
    assert lane_of(consumer).taken == []
    assert thread_of(consumer).rewound == [{SOURCE, OTHER}]


async def test_hole_4_what_was_fetched_while_the_flow_was_stopped_is_not_handled(
    consumer: LaneConsumer,
) -> None:
    thread_of(consumer).meanwhile = consumer.stop_flow
    await consumer._deliver_next()
    assert lane_of(consumer).taken == []
    assert thread_of(consumer).rewound == [{SOURCE, OTHER}]


async def test_hole_4_a_revocation_between_two_lists_of_one_fetch_keeps_the_second_back(
    consumer: LaneConsumer,
) -> None:
    """It would be a chunk beside those that the revocation waits for, and acknowledged before them."""
    thread_of(consumer).brings = {SOURCE, OTHER}
    delivery = asyncio.create_task(consumer._deliver_next())
    while not lane_of(consumer).taken:
        await asyncio.sleep(0)
    consumer.stop_flow()
    await delivery
    assert lane_of(consumer).taken == [(SOURCE, [5], GENERATION)]
    assert thread_of(consumer).rewound == [{SOURCE, OTHER}]


async def test_hole_5_what_was_acknowledged_is_committed_before_a_revocation(consumer: LaneConsumer) -> None:
    lane_of(consumer).when_drained = lambda: consumer.acknowledge(SOURCE, 8, generation=GENERATION)
    await consumer.on_partitions_revoked({SOURCE, OTHER})
    assert thread_of(consumer).commits == [{SOURCE: 8}]
    assert consumer._new_offset(SOURCE) is None


async def test_hole_5_a_commit_under_way_does_not_stand_for_the_one_before_a_revocation(
    consumer: LaneConsumer,
) -> None:
    thread = thread_of(consumer)
    thread.commit_lasts = asyncio.Event()
    consumer.acknowledge(SOURCE, 4, generation=GENERATION)
    earlier = asyncio.create_task(consumer.commit())
    await asyncio.sleep(0.01)
    consumer.acknowledge(SOURCE, 8, generation=GENERATION)
    revocation = asyncio.create_task(consumer.on_partitions_revoked({SOURCE, OTHER}))
    await asyncio.sleep(0.01)
    thread.commit_lasts.set()
    await asyncio.gather(earlier, revocation)
    assert thread.commits == [{SOURCE: 4}, {SOURCE: 8}]

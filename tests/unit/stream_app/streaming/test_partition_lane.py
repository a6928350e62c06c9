"""The chunks of a partition: how many at once, in which order, and what a failure stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from stream_app.streaming.fencing import Superseded
from stream_app.streaming.partition_lane import CHUNK_RECORDS, IN_FLIGHT, PartitionLane, Turn

EVENTS = TP("events", 0)


class Steps:
    """Delivers a chunk when the test says so; a chunk is named by its first offset."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.logged: list[int] = []
        self.answered: list[int] = []
        self.fence = asyncio.Event()
        self.fence.set()
        self.gates: dict[int, asyncio.Future[None]] = {}

    def apply(self, tp: TP, records: Sequence[Any]) -> int:
        chunk: int = records[0].offset
        self.applied.append(chunk)
        self.gates[chunk] = asyncio.get_running_loop().create_future()
        return chunk

    def forget_ownership(self) -> None:
        pass

    async def deliver(self, work: int, *, to_log: Turn, to_answer: Turn, generation: int) -> None:
        await to_log.wait()
        await self.fence.wait()
        self.logged.append(work)
        to_log.over()
        await to_answer.wait()
        self.answered.append(work)
        to_answer.over()
        await self.gates[work]


class Bench:
    """A lane with all that it reports to."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.generation = 1
        self.acknowledged: list[int] = []
        self.failures: list[BaseException] = []
        self.lane = PartitionLane(
            EVENTS,
            self.steps,
            current_generation=lambda: self.generation,
            acknowledge=lambda tp, offset, generation: self.acknowledged.append(offset),
            on_failure=self.failures.append,
            on_room=lambda: None,
        )

    def take(self, *offsets: int) -> None:
        self.lane.take([SimpleNamespace(offset=offset) for offset in offsets], generation=self.generation)

    async def take_chunks(self, *offsets: int) -> None:
        """One chunk for each offset."""
        for offset in offsets:
            self.take(offset)
            await asyncio.sleep(0.01)

    async def end(self, chunk: int, error: BaseException | None = None) -> None:
        gate = self.steps.gates[chunk]
        if error is None:
            gate.set_result(None)
        else:
            gate.set_exception(error)
        await asyncio.sleep(0.01)


@pytest.fixture
async def bench() -> Any:
    bench = Bench()
    yield bench
    bench.lane.close()


async def test_offsets_are_acknowledged_in_order_whoever_is_done_first(bench: Bench) -> None:
    await bench.take_chunks(10, 20, 30)
    await bench.end(30)
    await bench.end(20)
    assert bench.acknowledged == []
    await bench.end(10)
    assert bench.acknowledged == [11, 21, 31]


async def test_users_are_answered_in_the_order_of_the_chunks(bench: Bench) -> None:
    await bench.take_chunks(1, 2, 3)
    assert bench.steps.answered == [1, 2, 3]


async def test_no_chunk_is_logged_before_an_older_one_that_waits_at_the_fence(bench: Bench) -> None:
    bench.steps.fence.clear()
    await bench.take_chunks(1)
    waiting = asyncio.create_task(bench.take_chunks(2))
    bench.steps.fence.set()
    await waiting
    assert bench.steps.logged == [1, 2]


async def test_at_most_three_chunks_are_in_flight(bench: Bench) -> None:
    await bench.take_chunks(1, 2, 3, 4, 5)
    assert bench.steps.applied == [1, 2, 3]
    assert bench.lane.in_flight == IN_FLIGHT
    await bench.end(1)
    assert bench.steps.applied == [1, 2, 3, 4]
    assert bench.lane.in_flight == IN_FLIGHT


async def test_a_chunk_is_cut_and_a_full_queue_has_no_room(bench: Bench) -> None:
    bench.take(*range(3 * CHUNK_RECORDS))
    assert not bench.lane.has_room
    await asyncio.sleep(0.01)
    assert bench.steps.applied == [0, CHUNK_RECORDS, 2 * CHUNK_RECORDS]
    assert bench.lane.has_room


async def test_after_a_failed_chunk_nothing_is_acknowledged_any_more(bench: Bench) -> None:
    """The worker ends on purpose, and all of it is replayed: a delivery error never passes for a delivery."""
    await bench.take_chunks(1, 2, 3)
    await bench.end(1)
    await bench.end(2, OSError("the broker refused a record"))
    await bench.end(3)
    assert bench.acknowledged == [2]
    assert [str(error) for error in bench.failures] == ["the broker refused a record"]


async def test_what_comes_after_a_superseded_chunk_is_left_to_the_next_owner_too(bench: Bench) -> None:
    await bench.take_chunks(1, 2, 3)
    await bench.end(1, Superseded("expelled"))
    await bench.end(2)
    await bench.end(3)
    assert bench.acknowledged == []
    assert bench.failures == []


async def test_what_an_earlier_generation_fetched_is_never_begun(bench: Bench) -> None:
    await bench.take_chunks(1, 2, 3)
    bench.take(4)
    bench.generation = 2
    for chunk in (1, 2, 3):
        await bench.end(chunk)
    assert bench.steps.applied == [1, 2, 3]


async def test_draining_forgets_what_is_queued_and_waits_for_what_is_in_flight(bench: Bench) -> None:
    await bench.take_chunks(1, 2, 3, 4)
    drained = asyncio.create_task(bench.lane.drain())
    await bench.end(1)
    await bench.end(2)
    assert not drained.done()
    await bench.end(3)
    await asyncio.wait_for(drained, 1)
    assert bench.steps.applied == [1, 2, 3]


async def test_the_age_is_that_of_the_oldest_chunk(bench: Bench) -> None:
    now = asyncio.get_running_loop().time()
    assert bench.lane.oldest_age_s(now) == 0
    await bench.take_chunks(1, 2)
    assert bench.lane.oldest_age_s(now + 5) == pytest.approx(5, abs=1)
    await bench.end(1)
    await bench.end(2)
    assert bench.lane.oldest_age_s(now + 9) == 0

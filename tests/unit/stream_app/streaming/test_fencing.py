"""Whether a worker may still send, and what a new owner writes once more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from stream_app.streaming.fencing import Fence, Superseded
from stream_app.streaming.rewrites import Rewrites


class Group:
    """A clock and a generation that the test moves."""

    now = 100.0
    generation = 1

    def fence(self) -> Fence:
        return Fence(session_timeout_s=6, current_generation=lambda: self.generation, clock=lambda: self.now)


def failed(error: BaseException) -> None:
    raise AssertionError from error


async def test_nothing_is_sent_when_the_last_heartbeat_is_older_than_half_the_session() -> None:
    group = Group()
    fence = group.fence()
    await fence.enter(1)
    group.now += 3.1
    assert not fence.fresh
    waiting = asyncio.create_task(fence.enter(1))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    fence.heard()
    await asyncio.wait_for(waiting, 1)


async def test_an_answer_that_waited_for_a_frozen_process_says_nothing_of_the_time_since() -> None:
    group = Group()
    fence = group.fence()
    asked = group.now
    group.now += 10  # frozen between the question and the answer
    fence.heard(asked)
    assert not fence.fresh
    assert not fence.owns(1)


async def test_a_chunk_of_a_passed_generation_is_left_to_the_next_owner() -> None:
    group = Group()
    fence = group.fence()
    assert fence.owns(1)
    group.generation = 2
    assert not fence.owns(1)
    with pytest.raises(Superseded):
        await fence.enter(1)


async def test_at_a_revocation_nobody_waits_for_a_heartbeat() -> None:
    group = Group()
    fence = group.fence()
    group.now += 4
    fence.closing(True)
    with pytest.raises(Superseded):
        await asyncio.wait_for(fence.enter(1), 1)


async def test_a_new_owner_writes_once_more_what_it_touched_at_first() -> None:
    written: list[tuple[int, Sequence[bytes]]] = []

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        written.append((partition, users))

    rewrites = Rewrites(rewrite, fence=Group().fence(), span_s=0.05, on_failure=failed)
    rewrites.note(0, (b"b", b"a"), generation=1)
    rewrites.note(0, (b"b", b"c"), generation=1)
    assert written == []
    await asyncio.sleep(0.2)
    assert written == [(0, [b"a", b"b", b"c"])]
    rewrites.note(0, (b"d",), generation=1)
    await asyncio.sleep(0.1)
    assert len(written) == 1, "later ones need it no more"


async def test_an_ownership_is_young_until_all_is_written_once_more() -> None:
    """Until then the store's changelog offset stays where it was when the partition was taken over."""
    going_on = asyncio.Event()

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        await going_on.wait()

    rewrites = Rewrites(rewrite, fence=Group().fence(), span_s=0.02, on_failure=failed)
    rewrites.note(0, (b"a",), generation=1)
    await asyncio.sleep(0.1)
    assert not rewrites.is_over(0)
    going_on.set()
    await asyncio.sleep(0.05)
    assert rewrites.is_over(0)
    rewrites.forget()
    assert not rewrites.is_over(0)


async def test_a_former_owner_writes_nothing_once_more() -> None:
    written: list[int] = []

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        written.append(partition)

    rewrites = Rewrites(rewrite, fence=Group().fence(), span_s=0.02, on_failure=failed)
    rewrites.note(0, (b"a",), generation=1)
    rewrites.forget()
    await asyncio.sleep(0.1)
    assert written == []


async def test_an_owner_that_was_frozen_writes_nothing_once_more_before_a_heartbeat() -> None:
    written: list[int] = []

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        written.append(partition)

    group = Group()
    fence = group.fence()
    rewrites = Rewrites(rewrite, fence=fence, span_s=0.02, on_failure=failed)
    rewrites.note(0, (b"a",), generation=1)
    group.now += 10
    await asyncio.sleep(0.1)
    assert written == []
    group.generation = 2
    fence.heard()
    await asyncio.sleep(0.1)
    assert written == []


async def test_a_rewrite_that_fails_is_told() -> None:
    told: list[BaseException] = []

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        raise OSError("the broker refused a record")

    rewrites = Rewrites(rewrite, fence=Group().fence(), span_s=0.02, on_failure=told.append)
    rewrites.note(0, (b"a",), generation=1)
    await asyncio.sleep(0.1)
    assert [str(error) for error in told] == ["the broker refused a record"]


async def test_a_late_chunk_of_an_earlier_ownership_does_not_take_the_place_of_the_next() -> None:
    written: list[Sequence[bytes]] = []

    async def rewrite(partition: int, users: Sequence[bytes]) -> None:
        written.append(users)

    group = Group()
    rewrites = Rewrites(rewrite, fence=group.fence(), span_s=0.05, on_failure=failed)
    rewrites.note(0, (b"a",), generation=1)
    rewrites.forget()
    rewrites.note(0, (b"late",), generation=1)
    group.generation = 2
    rewrites.note(0, (b"b",), generation=2)
    rewrites.note(0, (b"later still",), generation=1)
    await asyncio.sleep(0.2)
    assert written == [[b"b"]]
    assert rewrites.is_over(0)

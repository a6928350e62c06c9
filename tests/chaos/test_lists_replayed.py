"""An event that is judged twice, before a kill and after it, is judged by the same list.

The user is so hot that one commit a second would leave hundreds of lists uncommitted; a worker commits
earlier then, and one that is altered not to has to cope with the hundreds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from stream_app.brokers import EmbeddedBroker
from tests.chaos import altered_worker
from tests.chaos.under_load import settle_and_check
from tests.conftest import MakeWorker
from tests.event_stream import Pair, as_pair, read_topic, send, send_events, until_settled
from tests.worker_process import MILLSTREAM, WorkerProcess

HOT = "hot"
ITEMS = 300  # more than a window holds: whatever comes up again is new to the user
PER_SECOND = 120


class Said(NamedTuple):
    """What a worker had said of the hot user by its end, and not by the end of the one before it."""

    triggers: set[int]
    outcomes: list[dict[str, Any]]


@pytest.mark.parametrize(
    ("command", "at_least"),
    [(MILLSTREAM, 1), (altered_worker.command("commits-by-the-clock"), 30)],
    ids=["commits-soon", "commits-by-the-clock"],
)
async def test_an_event_judged_again_after_a_kill_is_judged_by_the_list_that_it_had(
    embedded_broker: EmbeddedBroker, make_worker: MakeWorker, command: Sequence[str], at_least: int
) -> None:
    # A window that holds what is replayed: beyond it, nobody can tell any more what the user had seen.
    worker = make_worker(embedded_broker, command=command, settings={"history_limit": 250})
    worker.start()
    await worker.ready()
    await send_events(worker, crowd())
    await until_settled(worker)
    lives: list[Said] = []
    chance, events = random.Random(), hot_events()
    for _ in range(6):  # a kill may fall between a commit and the next list
        # Nothing is sent while there is no worker: beyond a window of newer events, a replay cannot tell any
        # more what the user had seen, and judges nothing.
        sending = asyncio.create_task(
            send(worker.bootstrap_servers, worker.names.events, events, per_second=PER_SECOND)
        )
        await asyncio.sleep(chance.uniform(2, 3))
        worker.kill()
        sending.cancel()
        worker.wipe_disk()
        await asyncio.sleep(1)  # what it sent last has arrived
        lives.append(await new(worker, lives))
        worker.start()
        await worker.ready()
        await until_settled(worker)
        if len(lives) > 1 and len(judged_twice([*lives, await new(worker, lives)])) >= at_least:
            break
    found = await settle_and_check(worker)
    lives.append(await new(worker, lives))

    twice = judged_twice(lives)
    assert len(twice) >= at_least, f"{len(twice)} events were judged twice"
    by_lists = {event: {one["list_offset"] for one in outcomes} for event, outcomes in twice.items()}
    moved = {event: found for event, found in by_lists.items() if len(found) > 1}
    assert not moved, f"{len(moved)} of {len(twice)} were judged by two lists: {moved}"
    ranks = {event: {one["rank"] for one in outcomes} for event, outcomes in twice.items()}
    differing = {event: found for event, found in ranks.items() if len(found) > 1}
    assert not differing, f"{len(differing)} of {len(twice)} have two ranks in one list: {differing}"
    check_lists(lives)
    places = [record.offset for record in found.source if record.key == HOT.encode()]
    first_list = min(lives[0].triggers)
    unjudged = {place for place in places if place > first_list} - judged(lives)
    assert not unjudged, f"{len(unjudged)} of {len(places)} events were never judged: {sorted(unjudged)[:5]}"


def check_lists(lives: list[Said]) -> None:
    """Each event was judged by the newest list before it that was sent before the kill, or by one since."""
    before: set[int] = set()
    for life in lives:
        sent = before | life.triggers
        for outcome in life.outcomes:
            event, judged_by = outcome["event"]["offset"], outcome["list_offset"]
            assert judged_by in sent, f"judged by a list that was not sent by then: {outcome}"
            # In the first life no list was made again: none that it sent after the event lies before it.
            newest = max(trigger for trigger in before or sent if trigger < event)
            assert judged_by >= newest, f"there was a newer list, of {newest}: {outcome}"
        before = sent


def judged_twice(lives: list[Said]) -> dict[int, list[dict[str, Any]]]:
    """The outcomes of each event that has more than one, by its offset."""
    outcomes: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in itertools.chain.from_iterable(life.outcomes for life in lives):
        outcomes[one["event"]["offset"]].append(one)
    return {event: found for event, found in outcomes.items() if len(found) > 1}


def judged(lives: list[Said]) -> set[int]:
    """The offsets of the events that were judged at all."""
    return {one["event"]["offset"] for life in lives for one in life.outcomes}


async def new(worker: WorkerProcess, lives: list[Said]) -> Said:
    """What the topics hold of the hot user beyond what `lives` has."""

    async def read(topic: str) -> list[dict[str, Any]]:
        found = await read_topic(worker.bootstrap_servers, topic)
        return [json.loads(record.value) for record in found if record.key == HOT.encode()]

    lists, outcomes = await read(worker.names.recommendations), await read(worker.names.outcomes)
    triggers = {one["trigger"]["offset"] for one in lists}
    known = sum(len(life.outcomes) for life in lives)
    return Said(triggers.difference(*(life.triggers for life in lives)), outcomes[known:])


def crowd() -> list[dict[str, Any]]:
    """Others, who like some items more than others, so that a list of trending ones has an order."""
    chance = random.Random(4)
    liked = [item for item in range(ITEMS) for _ in range(1 + (ITEMS - item) // 20)]
    return [event(f"crowd-{chance.randrange(100)}", item) for item in chance.sample(liked, k=len(liked))]


def hot_events() -> Iterator[Pair]:
    """One user's, for ever, through all items and again, so that some of them are in the list before."""
    chance = random.Random(6)
    while True:
        for block in range(0, ITEMS, 15):
            for item in chance.sample(range(block, block + 15), k=15):
                yield as_pair(event(HOT, item))


def event(user: str, item: int) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {"user_id": user, "item_id": f"item-{item}", "type": "click", "timestamp": now_ms}

"""What must have come of the events, worked out from the source topic alone, and what did come of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import xxhash

from models.bundle.signature import EVENT_TYPES
from stream_app.domain import history
from stream_app.domain.source import SOURCE_KEY
from tests.event_stream import read_topic
from tests.worker_process import WorkerProcess

PartitionAndUser = tuple[int, bytes]
Entry = tuple[int, int, str]  # item hash, timestamp in ms, type


@dataclass
class ExpectedHistory:
    """A user's window and the offset of the last event in it."""

    offset: int = -1
    newest_ms: int = 0
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Found:
    """Everything that is in the topics of an app."""

    source: list[Any]
    histories: dict[PartitionAndUser, bytes]
    recommendations: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    dead_letters: list[Any]


def entry_of(event: dict[str, Any], *, record_timestamp_ms: int) -> Entry:
    hashed = xxhash.xxh3_64_intdigest(event["item_id"].encode())
    return hashed, event.get("timestamp", record_timestamp_ms), event["type"]


def expected_histories(
    source: list[Any],
    *,
    limit: int = 200,
    max_age_ms: int = 180 * 86_400_000,
    bad: frozenset[tuple[int, int]] = frozenset(),
) -> dict[PartitionAndUser, ExpectedHistory]:
    """The last `limit` events of every user, none older than `max_age_ms` before the user's newest one.

    `bad` holds (partition, offset) of those that do not count.
    """
    users: defaultdict[PartitionAndUser, ExpectedHistory] = defaultdict(ExpectedHistory)
    for record in sorted(source, key=lambda r: (r.partition, r.offset)):
        if (record.partition, record.offset) in bad:
            continue
        # Lenient: what stands in fields that nobody reads is not looked at.
        event = json.loads(record.value.decode(errors="replace"), strict=False)
        if event["type"] == "forget":
            users.pop((record.partition, record.key), None)
            continue
        user = users[record.partition, record.key]
        user.offset = record.offset
        entry = entry_of(event, record_timestamp_ms=record.timestamp)
        user.newest_ms = max(user.newest_ms, entry[1])
        young = [one for one in (*user.entries, entry) if one[1] >= user.newest_ms - max_age_ms]
        user.entries = young[-limit:]
    return dict(users)


async def find_everything(worker: WorkerProcess, *, by_position: bool = False) -> Found:
    """Read all topics of the worker's app whole.

    Of a user's records in the changelog the newest counts; `by_position` takes the one with the highest
    position, as a recovery does.
    """
    names = worker.names

    async def read(topic: str) -> list[Any]:
        return await read_topic(worker.bootstrap_servers, topic)

    histories: dict[PartitionAndUser, bytes] = {}
    for record in await read(names.history_changelog):
        if record.key == SOURCE_KEY:
            continue
        place = record.partition, record.key
        if record.value is None:
            histories.pop(place, None)
        elif not by_position or position_of(record.value) >= position_of(histories.get(place)):
            histories[place] = record.value
    return Found(
        source=await read(names.events),
        histories=histories,
        recommendations=[json.loads(record.value) for record in await read(names.recommendations)],
        outcomes=[json.loads(record.value) for record in await read(names.outcomes)],
        dead_letters=await read(names.dead_letters),
    )


def position_of(record: bytes | None) -> int:
    return -1 if record is None else history.header(record).offset


def check_histories(found: Found, expected: dict[PartitionAndUser, ExpectedHistory]) -> None:
    """Every event is in its user's history exactly once, in order, entry by entry; nothing else is."""
    missing, surplus = expected.keys() - found.histories.keys(), found.histories.keys() - expected.keys()
    assert not missing, f"{len(missing)} histories are missing: {sorted(missing)[:5]}"
    assert not surplus, f"{len(surplus)} histories are of nobody who has one: {sorted(surplus)[:5]}"
    wrong = {}
    for place, record in found.histories.items():
        at = history.header(record)
        entries = [(e.item_hash, e.timestamp_ms, EVENT_TYPES[e.type_code]) for e in history.entries(record)]
        if (at.offset, entries) != (expected[place].offset, expected[place].entries):
            wrong[place] = (
                f"offset {at.offset} for {expected[place].offset}, {len(entries)} entries for "
                + str(len(expected[place].entries))
            )
    assert not wrong, f"{len(wrong)} of {len(expected)} histories differ: {dict(list(wrong.items())[:5])}"


def check_answers(found: Found, expected: dict[PartitionAndUser, ExpectedHistory]) -> None:
    """The newest position of every user is answered; no list has a trigger that is no event of its user."""
    keys = {(record.partition, record.offset): record.key for record in found.source}
    triggers = {
        (r["trigger"]["partition"], r["user_id"].encode(), r["trigger"]["offset"])
        for r in found.recommendations
    }
    unanswered = [
        place for place, user in expected.items() if (place[0], place[1], user.offset) not in triggers
    ]
    assert not unanswered, f"{len(unanswered)} of {len(expected)} users have no list of their newest event"
    foreign = [trigger for trigger in triggers if keys.get((trigger[0], trigger[2])) != trigger[1]]
    assert not foreign, f"triggers that are no event of the user: {foreign[:5]}"


def check_outcomes(found: Found, *, cut_off_share: float = 0.0) -> None:
    """One outcome for each event key, of that very event, judged against an earlier list that was sent.

    `cut_off_share` of the outcomes may name a list of the user's that was stored and not sent: its worker was
    cut off between the two, came back on the same disk, and cut the replay into other chunks.
    """
    events = {(record.partition, record.offset): json.loads(record.value) for record in judgeable(found)}
    # A list that was made again after a replay may be another one, under the same trigger.
    lists: defaultdict[tuple[str, int, int], list[list[str]]] = defaultdict(list)
    for sent in found.recommendations:
        trigger = sent["user_id"], sent["trigger"]["partition"], sent["trigger"]["offset"]
        lists[trigger].append([item["item_id"] for item in sent["items"]])
    by_event: dict[tuple[int, int], dict[str, Any]] = {}
    cut_off = []
    for outcome in found.outcomes:
        place = outcome["event"]["partition"], outcome["event"]["offset"]
        facts = {name: outcome[name] for name in ("user_id", "item_id", "type")}
        assert facts == {name: events[place][name] for name in facts}, (
            f"an outcome of another event: {outcome}"
        )
        assert by_event.setdefault(place, facts) == facts, f"two different outcomes of {place}"
        assert outcome["list_offset"] < place[1], f"judged by a list that knew the event: {outcome}"
        judged_by = (outcome["user_id"], place[0], outcome["list_offset"])
        if judged_by not in lists:
            trigger = events.get((place[0], outcome["list_offset"]), {})
            assert trigger.get("user_id") == outcome["user_id"], f"judged by a list of nobody: {outcome}"
            cut_off.append(outcome)
            continue
        ranks = {rank_in(one, outcome["item_id"]) for one in lists[judged_by]}
        assert outcome["rank"] in ranks, f"in the lists of that trigger it has {ranks}: {outcome}"
    assert by_event, "nothing was judged"
    assert len(cut_off) <= cut_off_share * len(by_event), (
        f"{len(cut_off)} of {len(by_event)} judged by a list that nobody got: {cut_off[:1]}"
    )


def rank_in(items: Sequence[str], item: str) -> int | None:
    """The place of an item in a list, from 1; None where it is not in it."""
    return items.index(item) + 1 if item in items else None


def expected_outcomes(found: Found, *, limit: int = 200) -> dict[tuple[int, int], tuple[int | None, int]]:
    """For each event that must have been judged: the rank it had, and the trigger of the list it had it in.

    Holds where nothing was replayed: the list is the newest that was sent before the event came.
    """
    lists: defaultdict[PartitionAndUser, dict[int, list[str]]] = defaultdict(dict)
    for sent in found.recommendations:
        trigger = sent["trigger"]
        items = [item["item_id"] for item in sent["items"]]
        lists[trigger["partition"], sent["user_id"].encode()][trigger["offset"]] = items
    windows: defaultdict[PartitionAndUser, list[str]] = defaultdict(list)
    outcomes = {}
    for record in sorted(judgeable(found), key=lambda r: (r.partition, r.offset)):
        event, place = json.loads(record.value), (record.partition, record.key)
        earlier = [offset for offset in lists[place] if offset < record.offset]
        item = event["item_id"]
        if event["type"] != "dislike" and earlier and item not in windows[place]:
            judged_by = max(earlier)
            outcomes[record.partition, record.offset] = rank_in(lists[place][judged_by], item), judged_by
        windows[place] = [*windows[place], item][-limit:]
    return outcomes


def found_outcomes(found: Found) -> dict[tuple[int, int], tuple[int | None, int]]:
    """What `expected_outcomes` is compared with."""
    return {
        (outcome["event"]["partition"], outcome["event"]["offset"]): (outcome["rank"], outcome["list_offset"])
        for outcome in found.outcomes
    }


def rejected_places(found: Found) -> frozenset[tuple[int, int]]:
    """The (partition, offset) of every event that became a dead letter."""
    return frozenset(
        (int(headers["source-partition"]), int(headers["source-offset"]))
        for headers in (dict(record.headers) for record in found.dead_letters)
    )


def judgeable(found: Found) -> list[Any]:
    """The source's records that are valid JSON objects."""
    bad = rejected_places(found)
    return [record for record in found.source if (record.partition, record.offset) not in bad]

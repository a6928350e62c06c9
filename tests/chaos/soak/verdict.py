"""What is counted when all is quiet again; anything but zero where zero belongs is a counter-example."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from functools import partial
from typing import Any

from stream_app.domain import history
from tests.chaos.soak.load import HOT
from tests.event_stream import Pair
from tests.reference import (
    Found,
    check_answers,
    check_histories,
    check_outcomes,
    expected_histories,
    judgeable,
)

CUT_OFF_SHARE = 0.001
"""What may be judged by a list that its worker stored and could not send, of all outcomes."""

REPEATED_SHARE_MAX = 0.05
"""What may come again around faults, of all events."""


def verdict(
    found: Found, *, bad: set[Pair], limit: int, max_age_ms: int, exactly_once: bool
) -> tuple[dict[str, Any], list[str]]:
    """The figures, and every counter-example in words."""
    problems: list[str] = []
    source = {(record.partition, record.offset): record for record in found.source}
    letters = _letters(found, source, bad, problems, exactly_once=exactly_once)
    expected = expected_histories(found.source, limit=limit, max_age_ms=max_age_ms, bad=frozenset(letters))
    for check, about in (
        (check_histories, expected),
        (check_answers, expected),
    ):
        _note(problems, check, found, about)
    _note(problems, partial(check_outcomes, cut_off_share=0.0 if exactly_once else CUT_OFF_SHARE), found)
    if unjudged := unjudged_events(found, max_age_ms=max_age_ms):
        problems.append(f"{len(unjudged)} events without an outcome: {sorted(unjudged)[:5]}")
    triggers = Counter((r["trigger"]["partition"], r["trigger"]["offset"]) for r in found.recommendations)
    outcomes = Counter((o["event"]["partition"], o["event"]["offset"]) for o in found.outcomes)
    repeats = {
        "recommendations": sum(triggers.values()) - len(triggers),
        "outcomes": sum(outcomes.values()) - len(outcomes),
    }
    if exactly_once:
        problems += [f"{count} {what} more than once" for what, count in repeats.items() if count]
    good = len(found.source) - len(letters)
    share = repeats["recommendations"] / good if good else 0.0
    if share > REPEATED_SHARE_MAX:
        problems.append(f"{share:.1%} of the events had a list more than once")
    figures = {
        "events": len(found.source),
        "users": len(expected),
        "longest_history": max((history.length(record) for record in found.histories.values()), default=0),
        "recommendations": len(triggers),
        "outcomes": len(outcomes),
        "dead_letters": len(letters),
        "repeated": repeats,
        "repeated_share": round(share, 4),
    }
    return figures, problems


def unjudged_events(found: Found, *, max_age_ms: int) -> set[tuple[int, int]]:
    """Events that must have been judged for certain, and were not.

    Of a positive type, on an item that the user never had before, after a list that the user was given. Not
    what has left the window before a replay judges it, which cannot be judged any more (`out of the window`):
    events of the hot user, those that were too old for the window when they came, and those of a user who was
    forgotten since.
    """
    judged = {(o["event"]["partition"], o["event"]["offset"]) for o in found.outcomes}
    lists: dict[tuple[int, str], list[int]] = {}
    for sent in sorted(found.recommendations, key=lambda sent: sent["trigger"]["offset"]):
        place = sent["trigger"]["partition"], sent["user_id"]
        lists.setdefault(place, []).append(sent["trigger"]["offset"])
    had: dict[tuple[int, str], set[str]] = {}
    forgotten: dict[tuple[int, str], int] = {}
    newest_ms: dict[tuple[int, str], int] = {}
    waiting: dict[tuple[int, str], set[tuple[int, int]]] = {}  # the unjudged ones of each user
    unjudged: set[tuple[int, int]] = set()
    for record in sorted(judgeable(found), key=lambda record: (record.partition, record.offset)):
        event = json.loads(record.value)
        place = record.partition, event["user_id"]
        if event["type"] == "forget":
            forgotten[place] = record.offset
            newest_ms.pop(place, None)
            unjudged -= waiting.pop(place, set())
            continue
        sent_ms = event.get("timestamp", record.timestamp)
        newest_ms[place] = max(newest_ms.get(place, 0), sent_ms)
        lasts = sent_ms >= newest_ms[place] - max_age_ms and event["user_id"] != HOT
        triggers = lists.get(place, [])
        newest = bisect_left(triggers, record.offset) - 1  # of those before the event
        given = newest >= 0 and triggers[newest] > forgotten.get(place, -1)
        items = had.setdefault(place, set())
        is_new, at = event["item_id"] not in items, (record.partition, record.offset)
        if is_new and given and lasts and event["type"] != "dislike" and at not in judged:
            unjudged.add(at)
            waiting.setdefault(place, set()).add(at)
        items.add(event["item_id"])
    return unjudged


def _note(problems: list[str], check: Any, *about: Any) -> None:
    try:
        check(*about)
    except AssertionError as error:
        problems.append(str(error)[:1000])


def _letters(
    found: Found,
    source: dict[tuple[int, int], Any],
    bad: set[Pair],
    problems: list[str],
    *,
    exactly_once: bool,
) -> set[tuple[int, int]]:
    times: Counter[tuple[int, int]] = Counter()
    for letter in found.dead_letters:
        headers = {name: value.decode() for name, value in letter.headers}
        place = int(headers["source-partition"]), int(headers["source-offset"])
        times[place] += 1
        if (letter.key, letter.value) != (source[place].key, source[place].value):
            problems.append(f"the dead letter of {place} has other bytes than the event")
        if (letter.key, letter.value) not in bad:
            problems.append(f"a good event became a dead letter: {headers['error']}: {letter.value!r:.200}")
    missing = [place for place, r in source.items() if (r.key, r.value) in bad and place not in times]
    if missing:
        problems.append(f"{len(missing)} bad events without a dead letter: {missing[:5]}")
    if exactly_once and (twice := [place for place, count in times.items() if count > 1]):
        problems.append(f"{len(twice)} dead letters more than once: {twice[:5]}")
    return set(times)

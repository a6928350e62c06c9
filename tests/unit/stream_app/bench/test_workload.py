from __future__ import annotations

from collections import Counter

from stream_app.bench.workload import Workload, catalogue, item_records
from stream_app.domain.decoding import Interaction, decode
from stream_app.streaming.item_catalogue import ItemCatalogue


def interactions(workload: Workload) -> list[Interaction]:
    found = []
    for offset, record in enumerate(workload.records()):
        event = decode(record.key, record.value, offset=offset, record_timestamp_ms=record.timestamp_ms or 0)
        assert isinstance(event, Interaction), event
        found.append(event)
    return found


def test_every_event_is_a_good_one_and_the_same_each_time() -> None:
    workload = Workload(events=500, users=50, item_ids=catalogue(20))
    once, again = interactions(workload), interactions(workload)
    assert len(once) == 500
    assert [event[1:3] for event in once] == [event[1:3] for event in again]


def test_some_users_are_hot_and_most_are_cold() -> None:
    events = interactions(Workload(events=20_000, item_ids=catalogue(1000)))
    by_user = Counter(event.user for event in events)
    assert by_user.most_common(1)[0][1] > 1_000
    assert sum(count == 1 for count in by_user.values()) > 0.5 * len(by_user)


def test_the_catalogue_is_understood() -> None:
    items = ItemCatalogue()
    assert not [problem for record in item_records(catalogue(30)) if (problem := items.apply(*record[:2]))]
    assert len(items) == 30

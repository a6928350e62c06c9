from __future__ import annotations

import msgspec

from stream_app.bench.one_event import OneEvent
from stream_app.bench.workload import Workload, catalogue
from stream_app.domain import history, lists
from stream_app.settings import Settings

WORKLOAD = Workload(events=400, users=5, item_ids=catalogue(60), event_bytes=200)


def test_a_rival_keeps_history_and_last_list_and_judges_against_it() -> None:
    work = OneEvent(Settings.model_validate({}), source_topic="events")
    histories: dict[bytes, bytes] = {}
    given: dict[bytes, bytes] = {}
    outcomes = 0
    for offset, record in enumerate(WORKLOAD.records()):
        assert record.value is not None and len(record.value) >= 200
        event = work.decode(record.key, record.value, offset=offset, timestamp_ms=record.timestamp_ms or 0)
        assert event is not None
        answer = work.answer(
            event, partition=2, before=histories.get(event.user), given=given.get(event.user)
        )
        assert answer is not None
        histories[event.user], given[event.user] = answer.history, answer.lists
        outcomes += answer.outcome is not None
        message = msgspec.json.decode(answer.recommendation)
        assert message["trigger"]["offset"] == offset == lists.read(answer.lists)[0].offset
        seen = set(history.item_hashes(answer.history))
        assert not seen & {candidate for candidate in _hashes(answer.lists)}
    assert sum(map(history.length, histories.values())) == 400
    assert 50 < outcomes < 395


def test_a_bad_event_is_left_out() -> None:
    work = OneEvent(Settings.model_validate({}), source_topic="events")
    assert work.decode(b"u", b"{", offset=0, timestamp_ms=0) is None


def _hashes(record: bytes) -> list[int]:
    packed = lists.read(record)[0].hashes
    return [int.from_bytes(packed[at : at + 8], "little") for at in range(0, len(packed), 8)]
